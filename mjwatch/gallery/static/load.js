// Load data as scripts, the only thing that a page from a disk may load. The scripts call functions of `gallery`.

const AT_ONCE = 12;
const REFRESH = 15_000;

// The only addresses that this page ever loads as scripts.
const NAMES = /^(index|status|jobs-\d{4,9})\.js$/;

function scriptAddress(name) {
  if (!NAMES.test(name)) throw new TypeError(`not a script of the gallery: ${name}`);
  return `_gallery/${name}?${Date.now()}`;
}

const policy = window.trustedTypes?.createPolicy("gallery", { createScriptURL: scriptAddress });

/** Run one of the gallery's data scripts. It may be missing, because a sync does not deliver all at once. */
function load(name) {
  return new Promise((resolve) => {
    const script = document.createElement("script");
    script.addEventListener("load", () => done(true));
    script.addEventListener("error", () => done(false));
    script.src = policy ? policy.createScriptURL(name) : scriptAddress(name);
    document.head.append(script);

    function done(loaded) {
      script.remove();
      resolve(loaded);
    }
  });
}

const chunkName = (number) => `jobs-${String(number).padStart(4, "0")}.js`;

/** Load these chunks in this order, several at once. */
async function loadChunks(numbers) {
  const waiting = [...numbers];
  const worker = async () => {
    while (waiting.length) await load(chunkName(waiting.shift()));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/** Load everything, the newest chunk first because people see it first. */
async function loadAll() {
  const statusLoaded = load("status.js");
  await load("index.js");
  const numbers = Array.from({ length: store.count ?? 0 }, (_, n) => store.count - n);
  await loadChunks(numbers.slice(0, 1));
  update();
  performance.mark("gallery:shown");
  await loadChunks(numbers.slice(1));
  update();
  await statusLoaded;
  performance.mark("gallery:complete");
}

/** Load what may have changed since the last load. */
async function refresh() {
  const before = store.count ?? 0;
  await Promise.all([load("status.js"), load("index.js")]);
  const first = store.count < before ? 1 : Math.max(1, before);
  const numbers = [];
  for (let number = store.count ?? 0; number >= first; number -= 1) numbers.push(number);
  await loadChunks(numbers);
}

function keepFresh() {
  setInterval(() => document.visibilityState === "visible" && refresh(), REFRESH);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && refresh());
}
