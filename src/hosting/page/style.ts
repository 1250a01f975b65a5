/** Of all pages. Colours have a contrast of at least 4.5:1 on their ground, in both schemes. */
export const STYLE = `
:root { color-scheme: light dark; --ground: #fff; --text: #1b1f24; --soft: #57606a; --line: #d0d7de; --link: #0550ae; --code: #f3f5f7; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #15191e; --text: #e6e9ec; --soft: #a3adb8; --line: #3a424b; --link: #79b8ff; --code: #20262d; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 70rem; padding: 1rem 1.25rem 3rem; background: var(--ground); color: var(--text); font: 1rem/1.5 system-ui, sans-serif; }
a { color: var(--link); }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.skip { position: absolute; left: -100rem; }
.skip:focus { position: static; }
h1 { font-size: 1.7rem; line-height: 1.25; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin-top: 2rem; }
.soft { color: var(--soft); }
label { display: block; font-weight: 600; }
input[type="search"] { width: 100%; max-width: 30rem; padding: .5rem .6rem; font: inherit; color: inherit; background: var(--ground); border: 1px solid var(--soft); border-radius: 4px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; color: var(--soft); padding-bottom: .3rem; }
th, td { text-align: left; vertical-align: top; padding: .4rem .75rem .4rem 0; border-bottom: 1px solid var(--line); }
th[scope="row"] { min-width: 8.5rem; font-weight: 600; overflow-wrap: anywhere; }
th .soft, .files th { font-weight: 400; }
td.text { min-width: 12rem; overflow-wrap: anywhere; }
td.digest { min-width: 20rem; }
td.date, td.number, th.number { white-space: nowrap; font-variant-numeric: tabular-nums; }
td.number, th.number { text-align: right; }
.beside { display: block; font-weight: 400; }
code, pre { font-family: ui-monospace, monospace; font-size: .9em; background: var(--code); border-radius: 4px; }
code { padding: .1em .3em; overflow-wrap: anywhere; }
pre { padding: .75rem; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
pre code { padding: 0; }
dt { font-weight: 600; }
dd { margin: 0 0 .5rem; }
.files { max-height: 30rem; overflow: auto; }
[hidden] { display: none; }
`;

/** Only hides rows: without it the whole list is there. */
export const FILTER_SCRIPT = `
"use strict";
(() => {
  const box = document.getElementById("filter");
  const count = document.getElementById("count");
  const search = document.getElementById("search");
  search.hidden = false;
  const rows = [...document.querySelectorAll("tbody tr")];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const show = () => {
    const words = box.value.toLowerCase().split(/\\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, index) => {
      row.hidden = !words.every((word) => texts[index].includes(word));
      if (!row.hidden) shown++;
    });
    count.textContent = words.length === 0 ? "" : shown + " of " + rows.length + " shown";
  };
  box.addEventListener("input", show);
  box.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { box.value = ""; show(); }
  });
  show();
})();
`;
