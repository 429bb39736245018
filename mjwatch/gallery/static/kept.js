// What this browser remembers: favourites for good, chosen follow-ups until the page is closed. Where a browser
// keeps nothing for a page from a disk, both last as long as the page.

const FAVOURITES = "mjwatch.favourites";
const FAVOURITES_SCHEMA = "mjwatch/favourites/1";

/** Return the list of texts that is kept under this name in localStorage or sessionStorage; empty if there is none. */
function keptList(storage, name) {
  try {
    const found = JSON.parse(window[storage].getItem(name));
    return Array.isArray(found) ? found.filter((item) => typeof item === "string") : [];
  } catch {
    return [];
  }
}

function keepList(storage, name, list) {
  try {
    window[storage].setItem(name, JSON.stringify(list));
  } catch {
    // private browsing, or no room: the page itself still knows
  }
}

/** Favourites of this browser by id; a job may also be marked by a file in its folder or by its label. */
let favourites = new Set(keptList("localStorage", FAVOURITES));

const isFavourite = (job) => Boolean(job.favourite) || favourites.has(job.id);

/** Add jobs to the favourites, or remove them; those of another window are kept. */
function setFavourites(jobs, are) {
  favourites = new Set([...favourites, ...keptList("localStorage", FAVOURITES)]);
  for (const { id } of jobs) {
    if (are) favourites.add(id);
    else favourites.delete(id);
  }
  keepList("localStorage", FAVOURITES, [...favourites]);
  showFavourites();
}

/** Show the stars again, and the jobs if only favourites are shown. */
function showFavourites() {
  for (const card of wall.cards.querySelectorAll(".card")) showMarks(card, wall.jobs[Number(card.dataset.index)]);
  for (const star of document.querySelectorAll(".star")) showStar(star, store.jobById.get(star.dataset.job));
  if (fields.favourite.value) apply();
}

/** Return the button that makes a job a favourite. */
function starButton(job) {
  const toggle = () => setFavourites([job], !isFavourite(job));
  const button = el("button", { type: "button", class: "tool star", "data-job": job.id, click: toggle }, icon("star"), el("span", {}, "Favourite"));
  showStar(button, job);
  return button;
}

function showStar(button, job) {
  button.setAttribute("aria-pressed", String(isFavourite(job)));
  button.disabled = Boolean(job.favourite);
  button.title = job.favourite ? "A file in its folder or its label marks it" : "Favourite (f)";
}

function exportFavourites() {
  const marked = store.jobs.filter(isFavourite).map(({ id, folder, prompt }) => ({ job: id, folder, prompt }));
  const list = { schema: FAVOURITES_SCHEMA, at: new Date().toISOString(), favourites: marked };
  saveFile(`favourites-${stampNow()}.json`, `${JSON.stringify(list, null, 2)}\n`);
}

/** Add the favourites of a file that another browser has exported. */
async function importFavourites({ target }) {
  const [file] = target.files;
  try {
    const { schema, favourites: marked } = JSON.parse(await file.text());
    if (schema !== FAVOURITES_SCHEMA) throw new TypeError(schema);
    setFavourites(marked.map(({ job }) => ({ id: String(job) })), true);
    say(`Added ${numberOf(marked.length, "favourite")}.`);
  } catch {
    say(`${file.name} is not a file of favourites.`);
  }
  target.value = ""; // the same file may be chosen again
}

function listenToFavourites() {
  byId("favourites-export").addEventListener("click", exportFavourites);
  byId("favourites-import").addEventListener("change", importFavourites);
  window.addEventListener("storage", ({ key }) => {
    if (key !== FAVOURITES) return;
    favourites = new Set(keptList("localStorage", FAVOURITES));
    showFavourites();
  });
}
