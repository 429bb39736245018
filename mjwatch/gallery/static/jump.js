// The heading that stays in the window: which month the rows below it are from; choosing another one goes there.

const jump = { box: byId("jump"), select: byId("jump-to"), rows: [], names: "" };

/** Offer the headings of the wall. */
function updateJump() {
  jump.rows = wall.rows.filter((row) => !row.items);
  const names = jump.rows.map((row) => `${groupName(row.group)} · ${row.count.toLocaleString()}`);
  if (names.join("\n") === jump.names) return;
  jump.names = names.join("\n");
  jump.select.replaceChildren(...names.map((name, number) => el("option", { value: number }, name)));
}

/** Name the group at the upper edge of the window, once its heading has left it; `top` is that edge on the wall. */
function showGroup(top) {
  const seen = top + edge();
  const number = jump.rows.findLastIndex((row) => row.top + row.height / 2 <= seen);
  jump.box.hidden = number < 0 || window.scrollY === 0;
  if (number >= 0) jump.select.value = number;
}

/** Return the height of what covers the upper edge of the window. */
const edge = () => document.querySelector(".top").offsetHeight;

function goToGroup() {
  const row = jump.rows[Number(jump.select.value)];
  if (!row) return;
  window.scrollTo(0, row.top + wall.place.offsetTop - edge() + row.height / 2 + 1);
  draw();
}

function listenToJump() {
  jump.select.addEventListener("change", goToGroup);
}
