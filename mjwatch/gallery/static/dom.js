// Builds elements. What comes from a job becomes a text node or an attribute's value, never markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element. A function among the attributes becomes a listener; what is null or false is left out. */
function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(key, value);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value);
  }
  node.append(...present(children));
  return node;
}

/** The children that there are, lists among them laid out flat. */
function present(children) {
  return children.flat().filter((child) => child !== null && child !== undefined && child !== false && child !== "");
}

function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const use = document.createElementNS(SVG, "use");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

const byId = (id) => document.getElementById(id);

/** The address of a file in the outbox, whatever characters its path has. */
function address(...parts) {
  return `./${parts.join("/").split("/").map(encoded).join("/")}`;
}

function encoded(name) {
  try {
    return encodeURIComponent(name);
  } catch {
    return "-"; // half of a character: no address can name such a file
  }
}

const thumbAddress = (job) => address("_gallery/thumbs", job.id[0], `${job.id}.webp`);
const fileAddress = (job, name) => address(job.folder, name);

/** A prompt in which no line ends within the dashes of a parameter. */
function prompted(words) {
  return words.split(/(--\w{1,24})/).map((part, n) => (n % 2 ? el("span", { class: "unbroken" }, part) : part));
}

/** Words in which marks say what is `code` and what is **strong**; a mark alone is a character like others. */
function marked(words) {
  return words.split(/(`[^`\n]+`|\*\*[^*\n]+\*\*)/).map((part, n) => {
    if (n % 2 === 0) return part;
    return part[0] === "`" ? el("code", {}, part.slice(1, -1)) : el("b", {}, part.slice(2, -2));
  });
}
