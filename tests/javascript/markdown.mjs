// Reads a JSON list of Markdown pages from standard input and writes what a browser makes of each page, parser by
// parser: {parser: {version, read: [{shape, words, python}]}}
//   shape   a line for each element and comment, indented by its depth, with its attributes
//   words   the text that a reader sees; alternative texts and titles stand before it, and <br> is a line break
//   python  the text of each code block whose language is Python
// Every parser lets HTML and addresses of every kind through: nothing here hides what the escaping missed.
// (micromark's GFM still turns a <script> into text, as GitHub does.)
import { readFileSync } from 'node:fs';
import * as commonmark from 'commonmark';
import MarkdownIt from 'markdown-it';
import { marked } from 'marked';
import { micromark } from 'micromark';
import { gfm, gfmHtml } from 'micromark-extension-gfm';
import { math, mathHtml } from 'micromark-extension-math';
import { parseFragment } from 'parse5';
import { version } from './versions.mjs';

const reader = new commonmark.Parser();
const writer = new commonmark.HtmlRenderer();
const markdownIt = new MarkdownIt({ html: true, linkify: true });
const withGfmAndMath = {
  allowDangerousHtml: true,
  allowDangerousProtocol: true,
  extensions: [gfm(), math()],
  htmlExtensions: [gfmHtml(), mathHtml()],
};

const PARSERS = {
  commonmark: (page) => writer.render(reader.parse(page)),
  'markdown-it': (page) => markdownIt.render(page),
  marked: (page) => marked.parse(page, { gfm: true }),
  micromark: (page) => micromark(page, withGfmAndMath),
};

// Attributes that hold words for a reader.
const SPOKEN = new Set(['alt', 'title']);

function describe(html) {
  const shape = [];
  const python = [];

  function words(node, depth) {
    if (node.nodeName === '#text') return node.value;
    if (node.nodeName === 'br') return '\n';
    const attributes = node.attrs ?? [];
    if (depth >= 0) shape.push('  '.repeat(depth) + tag(node, attributes));
    const spoken = attributes.filter(({ name }) => SPOKEN.has(name)).map(({ value }) => value);
    const text = [...spoken, ...(node.childNodes ?? []).map((child) => words(child, depth + 1))].join('');
    const isPython = attributes.some(({ name, value }) => name === 'class' && value === 'language-python');
    if (node.nodeName === 'code' && isPython) python.push(text);
    return text;
  }

  const text = words(parseFragment(html), -1);
  return { shape: shape.join('\n'), words: text, python };
}

function tag(node, attributes) {
  if (node.nodeName === '#comment') return `#comment ${JSON.stringify(node.data)}`;
  const kept = attributes.filter(({ name }) => !SPOKEN.has(name));
  return [node.nodeName, ...kept.map(({ name, value }) => `${name}=${JSON.stringify(value)}`)].join(' ');
}

// The parsers agree on most pages: each HTML is taken apart once.
const described = new Map();

function describeOnce(html) {
  if (!described.has(html)) described.set(html, describe(html));
  return described.get(html);
}

const pages = JSON.parse(readFileSync(0, 'utf8'));
const read = Object.entries(PARSERS).map(([name, render]) => {
  return [name, { version: version(name), read: pages.map((page) => describeOnce(render(page).trimEnd())) }];
});
process.stdout.write(JSON.stringify(Object.fromEntries(read)));
