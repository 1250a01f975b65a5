import type { Socket } from "node:net";
import { StringDecoder } from "node:string_decoder";

/** Calls `onLine` with each line that comes in, without its end. A line that is too long ends the connection. */
export function readLines(socket: Socket, longest: number, onLine: (line: string) => void): void {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  socket.on("data", (chunk: Buffer) => {
    const lines = (rest + decoder.write(chunk)).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > longest || lines.some((line) => line.length > longest)) {
      socket.destroy();
      return;
    }
    for (const line of lines) onLine(line);
  });
}
