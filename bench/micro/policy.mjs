#!/usr/bin/env node
// SPDX-License-Identifier: GPL-3.0-or-later
// What a decision costs here and in Cedar itself (cedar-wasm), on the same policies and requests in one run.
//
//   bench/micro/policy.mjs [--build DIR] [--json] [N…]
//
// Builds bench_micro_policy, which has our figures (see there for warm, cold, whole and kept). Cedar's policies are parsed beforehand, and each
// question brings only those entities that it is about: the 10,000 it would otherwise read with each question are in a column of their own. With
// valgrind, instructions are counted, too.
import { execFileSync, spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import v8 from 'node:v8'
import { fileURLToPath } from 'node:url'

// Node 18 and 20 now and then die at taking this one optimisation back; without any at all, Cedar's binding would be slower than it is.
v8.setFlagsFromString('--no-turbo-inline-array-builtins')

const top = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')
const options = { build: path.join(top, 'build'), json: false, sizes: [] }
for (const args = process.argv.slice(2); args.length;) {
  const arg = args.shift()
  if (arg === '--build') options.build = path.resolve(args.shift() ?? '')
  else if (arg === '--json') options.json = true
  else if (/^[1-9]\d*$/.test(arg)) options.sizes.push(Number(arg))
  else {
    console.error('usage: bench/micro/policy.mjs [--build DIR] [--json] [N…]')
    process.exit(2)
  }
}
if (!options.sizes.length) options.sizes = [10, 1000, 10000, 100000]

if (!fs.existsSync(path.join(options.build, 'CMakeCache.txt'))) execFileSync('cmake', ['-S', top, '-B', options.build], { stdio: 'ignore' })
execFileSync('cmake', ['--build', options.build, '--target', 'bench_micro_policy'], { stdio: 'ignore' })
const program = path.join(options.build, 'bench/micro/policy')

let cedar
try {
  cedar = createRequire(path.join(top, 'tests/e2e/'))('@cedar-policy/cedar-wasm/nodejs')
} catch {
  console.error('cedar-wasm is not installed (npm --prefix tests/e2e ci): our figures only')
}

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sallyport-bench-'))
process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }))

const ns = () => Number(process.hrtime.bigint())

// Each question in turn for about a second, at least once; ns of the median round.
function time(questions, ask, most = 1e9) {
  const rounds = []
  const end = ns() + most
  do {
    const began = ns()
    for (const q of questions) ask(q)
    rounds.push((ns() - began) / questions.length)
  } while (ns() < end)
  return rounds.sort((a, b) => a - b)[rounds.length >> 1]
}

function ofCedar(size) {
  execFileSync(program, ['--write', folder, String(size)])
  const policies = fs.readFileSync(path.join(folder, 'policies.cedar'), 'utf8')
  const everything = JSON.parse(fs.readFileSync(path.join(folder, 'entities.json'), 'utf8'))
  const questions = fs.readFileSync(path.join(folder, 'requests.jsonl'), 'utf8').trim().split('\n').map(l => JSON.parse(l))
  const began = ns()
  const parsed = cedar.preparsePolicySet('bench', { staticPolicies: policies, templates: {}, templateLinks: [] })
  const load_ms = (ns() - began) / 1e6
  if (parsed.type !== 'success') throw new Error(JSON.stringify(parsed).slice(0, 500))
  const uid = text => {
    const at = text.indexOf('::"')
    return { type: text.slice(0, at), id: JSON.parse(text.slice(at + 2)) }
  }
  const calls = questions.map(({ allow, request: r }) => ({
    allow,
    call: { principal: typeof r.principal === 'string' ? uid(r.principal) : r.principal, action: typeof r.action === 'string' ? uid(r.action) : r.action,
      resource: typeof r.resource === 'string' ? uid(r.resource) : r.resource, context: r.context ?? {}, entities: r.entities, preparsedPolicySetId: 'bench' },
  }))
  const ask = ({ allow, call }) => {
    const answer = cedar.statefulIsAuthorized(call)
    if (answer.type !== 'success') throw new Error(JSON.stringify(answer).slice(0, 500))
    if ((answer.response.decision === 'allow') !== allow) throw new Error(`decided otherwise: ${JSON.stringify(call).slice(0, 2000)}`)
  }
  const few = size > 1000 ? calls.slice(0, 8) : calls
  few.forEach(ask)
  const cedar_ns = time(few, ask)
  // What the request says of an entity stands beside what the file says; Cedar takes an entity once.
  const of = ({ call }) => {
    const said = new Set(call.entities.map(e => `${e.uid.type} ${e.uid.id}`))
    return { ...call, entities: [...call.entities, ...everything.filter(e => !said.has(`${e.uid.type} ${e.uid.id}`))] }
  }
  const cedar_all_ns = time([{ allow: calls[0].allow, call: of(calls[0]) }], ask)
  return { cedar_load_ms: load_ms, cedar_ns, cedar_all_ns }
}

function instructions(name, size) {
  const out = path.join(folder, `callgrind.${name}`)
  const calls = 1024
  const run = spawnSync('valgrind', ['--tool=callgrind', `--callgrind-out-file=${out}`, `--toggle-collect=${name}`, program, '--calls', String(calls), String(size)], { encoding: 'utf8' })
  if (run.status !== 0) return undefined
  const total = /^(?:summary|totals): (\d+)/m.exec(fs.readFileSync(out, 'utf8'))
  return total ? Math.round(Number(total[1]) / calls) : undefined
}

const rows = options.sizes.map(size => {
  const row = JSON.parse(execFileSync(program, ['--json', String(size)], { encoding: 'utf8' }))
  if (size <= 1000 || size === 100000) Object.assign(row, { warm_instructions: instructions('decide_built', size), whole_instructions: instructions('decide_whole', size), kept_instructions: instructions('decide_kept', size) })
  // Parsing 100,000 policies takes it a minute, deciding among them a second each.
  if (cedar && size <= 10000) {
    Object.assign(row, ofCedar(size))
    row.times = row.cedar_ns / row.whole_ns
  }
  return row
})

if (options.json) {
  rows.forEach(r => console.log(JSON.stringify(r)))
} else {
  const columns = [
    ['policies', r => r.policies], ['load ms', r => r.load_ms.toFixed(0)], ['bytes', r => r.bytes], ['warm ns', r => r.warm_ns], ['cold ns', r => r.cold_ns],
    ['whole ns', r => r.whole_ns], ['kept ns', r => r.kept_ns], ['warm instr', r => r.warm_instructions], ['whole instr', r => r.whole_instructions], ['kept instr', r => r.kept_instructions],
    ['cedar load ms', r => r.cedar_load_ms?.toFixed(0)], ['cedar ns', r => r.cedar_ns?.toFixed(0)], ['times', r => r.times?.toFixed(0)],
    ['with all entities', r => r.cedar_all_ns?.toFixed(0)],
  ]
  console.log(columns.map(([name]) => name.padStart(Math.max(11, name.length))).join(' '))
  for (const r of rows) console.log(columns.map(([name, of]) => String(of(r) ?? '-').padStart(Math.max(11, name.length))).join(' '))
  const flat = of => Math.max(...rows.map(of)) / Math.min(...rows.map(of))
  console.log(`${rows[0].entities} entities, ${rows[0].candidates} candidates a request; slowest over fastest: warm ${flat(r => r.warm_ns).toFixed(2)}, cold ${flat(r => r.cold_ns).toFixed(2)}, whole ${flat(r => r.whole_ns).toFixed(2)}, kept ${flat(r => r.kept_ns).toFixed(2)}`)
}
