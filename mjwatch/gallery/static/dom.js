// Build elements. Data of a job become text nodes or attribute values, never markup.

const SVG = "http://www.w3.org/2000/svg";

/** Return an element. A function among the attributes becomes a listener; null and false are left out. */
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

/** Return the children without the empty ones, with lists flattened. */
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

/** Return the address of a file in the outbox, whatever characters its path has. */
function address(...parts) {
  return `./${parts.join("/").split("/").map(encoded).join("/")}`;
}

function encoded(name) {
  try {
    return encodeURIComponent(name);
  } catch {
    return "-"; // a lone surrogate: no address can name such a file
  }
}

const thumbAddress = (job) => address("_gallery/thumbs", job.id[0], `${job.id}.webp`);
const fileAddress = (job, name) => address(job.folder, name);

/** Return a prompt in which no line breaks between the dashes and the name of a parameter. */
function withUnbrokenNames(text) {
  return text.split(/(--\w{1,24})/).map((part, n) => (n % 2 ? el("span", { class: "unbroken" }, part) : part));
}

/** Return text with `code` and **strong** parts; a single mark is an ordinary character. */
function withMarks(text) {
  return text.split(/(`[^`\n]+`|\*\*[^*\n]+\*\*)/).map((part, n) => {
    if (n % 2 === 0) return part;
    return part[0] === "`" ? el("code", {}, part.slice(1, -1)) : el("b", {}, part.slice(2, -2));
  });
}
