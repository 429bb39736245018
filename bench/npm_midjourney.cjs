// Run prompts with the npm package `midjourney`, as a short script of a user would:
//   node npm_midjourney.cjs OPTIONS.json
// OPTIONS has: api, gateway, token, guild, channel, package (its folder), prompts, in_flight, save_to (a folder,
// or null: only the addresses), answers (a file). Each answer is a line of JSON: nonce, and the uuid of the job
// whose picture this prompt got.
const { AsyncLocalStorage } = require("node:async_hooks");
const fs = require("node:fs");

const options = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const { Midjourney } = require(options.package);
const { WebSocket } = require(require.resolve("ws", { paths: [options.package] }));
const current = new AsyncLocalStorage();

console.log = () => {}; // the package prints the name of the account
const client = new Midjourney({
  SalaiToken: options.token,
  ServerId: options.guild,
  ChannelId: options.channel,
  DiscordBaseUrl: options.api,
  WsBaseUrl: `${options.gateway}/?encoding=json&v=9`,
  ApiInterval: 0,
  WebSocket: class extends WebSocket {
    constructor(...args) {
      super(...args);
      this.on("message", (data) => {
        // The package sends an invented session id, which Discord refuses since 2023.
        if (data.includes('"t":"READY"') || data.includes('"t": "READY"')) {
          const session = JSON.parse(data).d.session_id;
          client.config.SessionId = client.MJApi.config.SessionId = session;
        }
      });
    }
  },
});
const post = client.MJApi.ImagineApi;
client.MJApi.ImagineApi = (prompt, nonce) => {
  current.getStore().nonce = nonce;
  return post.call(client.MJApi, prompt, nonce);
};

async function run(prompt, number) {
  const job = {};
  const result = await current.run(job, () => client.Imagine(prompt));
  if (options.save_to !== null) {
    const answer = await fetch(result.uri);
    const name = `${options.save_to}/${number}-${result.hash}`;
    await fs.promises.writeFile(name, Buffer.from(await answer.arrayBuffer()));
  }
  fs.appendFileSync(options.answers, JSON.stringify({ nonce: job.nonce, uuid: result.hash }) + "\n");
}

async function main() {
  await client.Connect();
  const waiting = options.prompts.map((prompt, number) => [prompt, number]);
  const worker = async () => {
    while (waiting.length) {
      await run(...waiting.shift()).catch((error) => console.error(String(error)));
    }
  };
  await Promise.all(Array.from({ length: options.in_flight }, worker));
  process.exit(0);
}

main();
