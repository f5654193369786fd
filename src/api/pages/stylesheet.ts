import { html } from './html.ts';

// Stacked marks in a name stay inside the box of that name (bdi), and a long one breaks instead of pushing the buttons away.
/** The look of every page; nothing is interpolated, so that its hash can stand in the policy. */
export const stylesheet = html`
:root { color-scheme: light dark; --back: #fff; --text: #1b1b1f; --quiet: #55555f; --line: #767680; --main: #0b4f94; --on-main: #fff; --bad: #a4000f; }
@media (prefers-color-scheme: dark) {
  :root { --back: #131316; --text: #ececf1; --quiet: #b4b4c0; --line: #8f8f9a; --main: #9cc7ff; --on-main: #06213f; --bad: #ffb3ab; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
main { max-width: 34rem; margin: 0 auto; padding: 2rem 1rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 1rem; }
h2, legend { font-size: 1.1rem; font-weight: 600; margin: 1.5rem 0 0.5rem; padding: 0; }
bdi { display: inline-block; max-width: 100%; overflow: hidden; vertical-align: bottom; }
ul { margin: 0; padding-left: 1.25rem; }
dl { margin: 0; }
dt { color: var(--quiet); }
dd { margin: 0 0 0.5rem; }
fieldset { border: 0; margin: 0; padding: 0; }
label { display: block; font-weight: 600; }
.choice { display: flex; gap: 0.75rem; align-items: center; min-height: 2.75rem; font-weight: 400; }
input { font: inherit; color: inherit; }
input:not([type]), input[type=text], input[type=password] {
  display: block; width: 100%; min-height: 2.75rem; margin: 0.25rem 0 1rem; padding: 0.5rem 0.75rem;
  background: var(--back); border: 1px solid var(--line); border-radius: 0.375rem;
}
input[type=checkbox] { flex: none; width: 1.5rem; height: 1.5rem; margin: 0; accent-color: var(--main); }
.buttons { display: flex; flex-wrap: wrap; gap: 0.75rem; margin-top: 1.5rem; }
button {
  flex: 1 1 10rem; min-height: 2.75rem; padding: 0.5rem 1rem; font: inherit; font-weight: 600; cursor: pointer;
  background: var(--back); color: var(--main); border: 2px solid var(--main); border-radius: 0.375rem;
}
button.main { background: var(--main); color: var(--on-main); }
:focus-visible { outline: 3px solid var(--main); outline-offset: 2px; }
.error { border-left: 4px solid var(--bad); padding: 0.5rem 0.75rem; color: var(--bad); font-weight: 600; }
.quiet { color: var(--quiet); }
`;
