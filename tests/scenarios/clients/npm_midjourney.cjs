// Run the npm package `midjourney` against the simulator: imagine, U2, V3, describe, shorten, then remix and
// Custom Zoom. Only options of the package are set.
//   node npm_midjourney.cjs PACKAGE HOST:PORT TOKEN GUILD CHANNEL
// The last line of its output is one JSON object.
const [folder, host, token, guild, channel] = process.argv.slice(2);
const { Midjourney } = require(folder);
const { WebSocket } = require(require.resolve("ws", { paths: [folder] }));

const LATER_MS = 100;
let session = "";
class Listening extends WebSocket {
  constructor(...args) {
    super(...args);
    this.on("message", (data) => {
      const event = JSON.parse(data);
      if (event.t === "READY") session = event.d.session_id;
    });
  }

  // The package waits for the message of a form only once the form's request has been answered. On a busy machine the
  // message is read before the answer; the package then waits for ever.
  emit(name, ...values) {
    if (name !== "message") return super.emit(name, ...values);
    return setTimeout(() => super.emit(name, ...values), LATER_MS);
  }
}

const client = new Midjourney({
  SalaiToken: token,
  ServerId: guild,
  ChannelId: channel,
  DiscordBaseUrl: `http://${host}`,
  WsBaseUrl: `ws://${host}/?encoding=json&v=9`,
  WebSocket: Listening,
  ApiInterval: 0,
});

const told = ({ content, hash, uri, options }) => ({ content, hash, uri, buttons: options.length });

async function main() {
  await client.Connect();
  const progress = [];
  const grid = await client.Imagine("a red cat", (uri, percent) => progress.push(percent));
  const outcome = { imagine: told(grid), progress };
  const { id: msgId, hash, flags, content } = grid;
  const single = await client.Upscale({ index: 2, msgId, hash, flags, content });
  outcome.upscale = told(single);
  outcome.variation = told(await client.Variation({ index: 3, msgId, hash, flags, content }));
  outcome.describe = (await client.Describe(single.uri)).descriptions;
  outcome.shorten = (await client.Shorten("a very red cat that sits on a very old wall")).prompts;

  // What follows answers forms, and hangs with the package's default: INTERACTION_SUCCESS goes only to the session
  // that the request names, and the default is an invented one.
  client.config.SessionId = client.MJApi.config.SessionId = session;
  const zoom = single.options.find((option) => option.label === "Custom Zoom");
  const given = { msgId: single.id, flags: single.flags, content: "a red cat --zoom 1.8" };
  outcome.zoom = told(await client.Custom({ ...given, customId: zoom.custom }));
  outcome.switched = await client.SwitchRemix();
  client.config.Remix = true;
  const remixed = { index: 1, msgId, hash, flags, content: "a green bird" };
  outcome.remix = told(await client.Variation(remixed));
  client.Close();
  process.stdout.write(`\n${JSON.stringify(outcome)}\n`, () => process.exit(0));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
