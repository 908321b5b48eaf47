// @huggingface/hub, the Hub's client for JavaScript, against the Hub in the environment: create, upload, list, download.
import {
  commit, countCommits, createRepo, deleteFile, deleteRepo, downloadFile, fileExists, listFiles, listModels, modelInfo,
  repoExists, uploadFile, uploadFiles, whoAmI,
} from '@huggingface/hub';

const at = { hubUrl: process.env.HF_ENDPOINT, accessToken: process.env.HF_TOKEN };
const repo = { ...at, repo: { type: 'model', name: 'javascript/model' } };
const weights = new Uint8Array(3_000_000).map((_, index) => (index * 2654435761) >>> 13);
const file = (path, ...content) => ({ path, content: new Blob(content) });

const bytes = async (path) => new Uint8Array(await (await downloadFile({ ...repo, path })).arrayBuffer());
const isWeights = (found) => found.length === weights.length && found.every((value, index) => value === weights[index]);
const all = async (items) => {
  const found = [];
  for await (const item of items) found.push(item);
  return found;
};

const seen = { name: (await whoAmI(at)).name };
await createRepo(repo);
const card = file('README.md', '---\nlicense: mit\n---\n# js');
await uploadFiles({ ...repo, files: [card, file('hello.txt', 'hello'), file('m.safetensors', weights)] });
await uploadFiles({ ...repo, useXet: false, files: [file('lfs.bin', weights)] });
seen.same = [isWeights(await bytes('m.safetensors')), isWeights(await bytes('lfs.bin'))];
seen.pointer = (await (await downloadFile({ ...repo, path: 'lfs.bin', raw: true })).text()).split('\n')[2];
seen.edited = await commit({
  ...repo, title: 'edit', operations: [{ operation: 'delete', path: 'lfs.bin' }, { operation: 'addOrUpdate', ...file('b.txt', 'b') }],
}).then(() => true);
const pull = await uploadFile({ ...repo, file: file('c.txt', 'c'), isPullRequest: true });
seen.pullRequest = pull.pullRequestUrl.endsWith('/javascript/model/discussions/1');
seen.files = (await all(listFiles({ ...repo, recursive: true }))).map(({ path, size }) => [path, size]);
seen.models = (await all(listModels({ ...at, search: { owner: 'javascript' } }))).map(({ name }) => name);
seen.license = (await modelInfo({ ...at, name: 'javascript/model', additionalFields: ['cardData'] })).cardData.license;
await deleteFile({ ...repo, path: 'hello.txt' });
seen.exists = [await fileExists({ ...repo, path: 'hello.txt' }), await fileExists({ ...repo, path: 'b.txt' })];
seen.commits = await countCommits(repo);
seen.again = await createRepo(repo).then(() => 201, (error) => error.statusCode);
await deleteRepo(repo);
seen.gone = !(await repoExists(repo));
console.log(JSON.stringify(seen));
