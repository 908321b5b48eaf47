// Reads a JSON list of YAML texts from standard input and writes, parser by parser, what each text holds:
// {parser: {version, read: [value]}}. A value is [type, content], because JSON knows no -0 and no type of its own
// for a date; numbers are written as text, arrays as lists of values, objects as lists of [key, value].
import { readFileSync } from 'node:fs';
import * as jsYaml from 'js-yaml';
import * as jsYaml3 from 'js-yaml-3';
import * as jsYaml4 from 'js-yaml-4';
import { parse } from 'yaml';
import { version } from './versions.mjs';

const PARSERS = {
  'js-yaml': [jsYaml.load, 'js-yaml'],
  'js-yaml 3': [jsYaml3.default.safeLoad, 'js-yaml-3'],
  'js-yaml 4': [jsYaml4.load, 'js-yaml-4'],
  'yaml 1.1': [(text) => parse(text, { version: '1.1' }), 'yaml'],
  'yaml 1.2': [(text) => parse(text, { version: '1.2' }), 'yaml'],
};

function typed(value) {
  if (Array.isArray(value)) return ['array', value.map(typed)];
  const type = value === null ? 'null' : Object.prototype.toString.call(value).slice(8, -1).toLowerCase();
  if (type === 'object') return [type, Object.entries(value).map(([key, item]) => [key, typed(item)])];
  if (type === 'number') return [type, Object.is(value, -0) ? '-0' : String(value)];
  return [type, value];
}

const texts = JSON.parse(readFileSync(0, 'utf8'));
const read = Object.entries(PARSERS).map(([name, [load, installed]]) => {
  return [name, { version: version(installed), read: texts.map((text) => typed(load(text))) }];
});
process.stdout.write(JSON.stringify(Object.fromEntries(read)));
