import type { TreeImage } from "../../filesystems/tree-image.ts";
import { CapstanError } from "../../support/errors.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";
import { entryAt, viewImage } from "../view-image.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const path = input.need("path");
  const view = viewImage(input.need("image"), context);
  const root = view.root();
  const entry = entryAt(root, path);
  if (entry.type !== "file") {
    view.close();
    throw new CapstanError(`${path} is a ${entry.type} of the image, not a file`, {
      code: "not-a-file",
      hint: "Use `capstan image ls` for a directory.",
    });
  }
  if (input.on("json")) {
    const content = Buffer.concat([...root.readFile(path)]);
    view.close();
    return { value: { path, size: entry.size, encoding: "base64", content: content.toString("base64") } };
  }
  return { value: undefined, text: () => chunks(root, path, view.close) };
}

async function* chunks(root: TreeImage, path: string, close: () => void): AsyncGenerator<Uint8Array> {
  try {
    yield* root.readFile(path);
  } finally {
    close();
  }
}
