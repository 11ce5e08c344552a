// Text as people write it, as DOM nodes: links, *emphasis*, `code`, quotations, names. Nothing is ever parsed as HTML.

import { fold, h } from './dom.js';

/** Runs of text that look different are found by these, in this order at each place. */
const INLINE = [
  [/`([^`\n]+)`/y, found => h('code', {}, found[1])],
  [/\bhttps?:\/\/[^\s<>"`]+/y, found => link(found)],
  [/\*\*(?=\S)([^\n]+?)\*\*/y, (found, look) => h('strong', {}, ...inline(found[1], look))],
  [/~~(?=\S)([^\n]+?)~~/y, (found, look) => h('s', {}, ...inline(found[1], look))],
  [/\*(?=[^\s*])([^*\n]+?)\*(?![\p{L}\p{N}])/uy, (found, look) => h('em', {}, ...inline(found[1], look))],
  [/_(?=[^\s_])([^_\n]+?)_(?![\p{L}\p{N}])/uy, (found, look) => h('em', {}, ...inline(found[1], look))],
  [/@([A-Za-z[\]\\`^{}|_][-A-Za-z0-9[\]\\`^{}|_]*)/y, (found, look) => mention(found, look)],
  [/#[^\s,:*?#]{1,63}/uy, (found, look) => roomLink(found, look)],
];

/** How deep emphasis may stand in emphasis: text that a stranger wrote is not walked without end. */
const DEPTH = 4;

/** `look` is `{ me, room(name), person(name) }`: who reads it, and whether a room or a name exists. */
export function format(text, look) {
  const nodes = [];
  for (const [at, part] of text.split(/```(?:[a-z]*\n)?/).entries()) {
    if (at % 2 === 1) nodes.push(h('pre', { tabindex: '0' }, h('code', {}, part.replace(/\n$/, ''))));
    else if (part.trim() || at === 0) nodes.push(...lines(part.replace(at ? /^\n/ : /^$/, ''), look));
  }
  return nodes;
}

/** Paragraphs, and lines that begin with `>` as quotations. */
function lines(text, look) {
  const nodes = [];
  let quote = null;
  const all = text.split('\n');
  for (const [at, line] of all.entries()) {
    const quoted = line.match(/^> ?(.*)$/);
    if (quoted) {
      if (!quote) nodes.push((quote = h('blockquote')));
      else quote.append('\n');
      quote.append(...inline(quoted[1], look));
      continue;
    }
    nodes.push(...inline(line, look));
    if (at < all.length - 1 && !all[at + 1].startsWith('>')) nodes.push('\n');
    quote = null;
  }
  return nodes;
}

function inline(text, look, depth = look.depth ?? 0) {
  if (depth > DEPTH) return [text];
  const deeper = { ...look, depth: depth + 1 };
  const nodes = [];
  let plain = 0;
  for (let at = 0; at < text.length; at += 1) {
    // Emphasis begins at the beginning of a word.
    if (!'`h*~_@#'.includes(text[at]) || (at > 0 && /[\p{L}\p{N}]/u.test(text[at - 1]))) continue;
    const node = first(text, at, deeper);
    if (!node) continue;
    if (plain < at) nodes.push(text.slice(plain, at));
    nodes.push(node.made);
    at += node.length - 1;
    plain = at + 1;
  }
  if (plain < text.length) nodes.push(text.slice(plain));
  return nodes;
}

function first(text, at, look) {
  for (const [pattern, make] of INLINE) {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    const made = found && make(found, look);
    if (made) return { made: made.made ?? made, length: made.length ?? found[0].length };
  }
  return null;
}

function link(found) {
  // Marks at the end belong to the sentence, and so does a bracket that was opened before.
  let address = found[0].replace(/[.,;:!?'"*_]+$/, '');
  if (address.endsWith(')') && !address.includes('(')) address = address.slice(0, -1);
  if (!URL.canParse(address)) return null;
  return { made: h('a', { href: address, target: '_blank', rel: 'noopener noreferrer nofollow' }, address), length: address.length };
}

function mention(found, look) {
  if (!look.person(found[1])) return null;
  const mine = fold(found[1]) === fold(look.me);
  return h('span', { class: mine ? 'mention mine' : 'mention' }, found[0]);
}

function roomLink(found, look) {
  const name = found[0].replace(/[.!)]+$/, '');
  if (!look.room(name)) return null;
  return { made: h('a', { href: `#${encodeURIComponent(name.slice(1))}`, class: 'mention' }, name), length: name.length };
}

/** A text on one line, without the marks of emphasis. */
export function plain(text) {
  return text.replace(/\*\*|~~|`/g, '').replace(/^> ?/gm, '').replace(/\s+/g, ' ');
}

/** Whether a text calls somebody by name, or all who are here. */
export function calls(text, name) {
  const safe = name.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  return new RegExp(`(^|[^\\p{L}\\p{N}_-])@?(${safe})(?![\\p{L}\\p{N}_-])`, 'iu').test(text);
}

/** A snippet of a search, with the words that were found between \u0002 and \u0003. */
export function snippet(text) {
  return text.split(/\u0002([^\u0003]*)\u0003/).map((part, at) => (at % 2 ? h('mark', {}, part) : part));
}
