import { serveNetwork } from "../instances/network/hub/process.ts";

// The hub of a network: started by the first instance that joins it, in a process of its own so that it outlives that one.
const [folder, network] = process.argv.slice(2);
if (folder === undefined || network === undefined) throw new Error("usage: hub FOLDER NETWORK");
process.title = `capstan network ${network}`;
await serveNetwork({ folder, network, env: process.env, now: () => new Date() });
