// socket.io-client against the transport: node client.mjs URL TRANSPORTS; prints what it saw as JSON
import { createRequire } from "node:module";
const { io } = createRequire(process.env.CLIENT_FOLDER + "/x.js")("socket.io-client");
const [url, transports] = process.argv.slice(2);
const socket = io(url, { transports: transports.split(","), reconnectionDelay: 50, auth: { name: "Node" } });
const seen = [];
socket.on("shout", (value) => seen.push(["shout", value]));
const ask = (...event) => new Promise((done) => socket.emit(...event, done));
const connected = () => new Promise((done) => socket.once("connect", done));
await connected();
seen.push(["echo", await ask("echo", { text: "grüße" })]);
seen.push(["stock", await ask("stock", "plain")]);
seen.push(["binary", [...(await ask("stock", Buffer.from([1, 2, 3])))]]);
await ask("shout", "all");
if (transports === "polling,websocket") {
  while (socket.io.engine.transport.name !== "websocket") await new Promise((done) => setTimeout(done, 10));
}
seen.push(["transport", socket.io.engine.transport.name]);
const again = connected();
socket.emit("hangup");
await again;
seen.push(["back", await ask("echo", "again")]);
console.log(JSON.stringify(seen));
socket.close();
