// SPDX-License-Identifier: GPL-3.0-or-later
// Two validators of one language: schemas and policies made by chance, judged by policy/ and by Cedar itself (cedar-wasm, strict). What one
// finds a fault in the other must. Schemas go to either in one of the two syntaxes, by turns.
//
// SALLYPORT_SEED repeats a run, SALLYPORT_SCHEMAS is how many schemas with 25 policies each there are (200, a tenth under a sanitizer).
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import v8 from 'node:v8'
import * as cedar from '@cedar-policy/cedar-wasm/nodejs'
import { Driver } from './lib/cedar_driver.mjs'
import { policyText, text } from './lib/cedar_make.mjs'
import { shrink } from './lib/cedar_shrink.mjs'
import { TypedMaker, World } from './lib/cedar_typed.mjs'
import { sanitised } from './lib/files.mjs'

// Node 18 now and then dies at taking back an optimisation of the makers below ("unreachable code" in its deoptimizer); they are fast enough
// without any. WebAssembly has a compiler of its own.
v8.setFlagsFromString('--no-opt')

const POLICIES = 25
const schemas = Number(process.env.SALLYPORT_SCHEMAS ?? (sanitised ? 20 : 200))
const seed = Number(process.env.SALLYPORT_SEED ?? Date.now() % 1_000_000_000)

let driver
before(() => { driver = new Driver() })
after(() => { driver.end() })

// By policy: whether it is valid, and why not.
function theirs(schema, policies) {
  const of = template => Object.fromEntries(policies.filter(p => !!p.slots.length === template).map(p => [p.id, policyText(p)]))
  const answer = cedar.validate({ schema, policies: { staticPolicies: of(false), templates: of(true) } })
  if (answer.type !== 'success') return { refused: answer.errors.map(e => e.message).join('; ') }
  const why = new Map()
  // A scope that fits nothing is an error to Cedar's published cases, and to Cedar up to 4.12; 4.13 calls it a warning.
  const inapplicable = answer.validationWarnings.filter(e => e.error.message.includes('unable to find an applicable action'))
  for (const e of [...answer.validationErrors, ...inapplicable]) if (!why.has(e.policyId)) why.set(e.policyId, e.error.message)
  return { valid: policies.map(p => !why.has(p.id)), why: policies.map(p => why.get(p.id) ?? null) }
}

const ours = (schema, policies) => driver.ask({ schema: typeof schema === 'string' ? schema : JSON.stringify(schema), validate: policies.map(p => policyText(p)) })

async function differs(schema, policy) {
  const [a, b] = [await ours(schema, [policy]), theirs(schema, [policy])]
  if (a.refused || b.refused) return undefined
  return a.valid[0] === b.valid[0] ? undefined : `ours: ${a.why[0] ?? 'valid'}\ntheirs: ${b.why[0] ?? 'valid'}`
}

async function reproducer(schema, policy) {
  const one = { policies: [policy], links: [], entities: [], request: { context: {} } }
  const small = await shrink(one, async c => c.policies.length === 1 && await differs(schema, c.policies[0]) !== undefined)
  return `${await differs(schema, small.policies[0])}\n\n${policyText(small.policies[0])}\n\nschema: ${typeof schema === 'string' ? schema : JSON.stringify(schema)}`
}

test('what is valid under a schema is what Cedar finds valid', { timeout: 300_000 }, async t => {
  const count = { schemas: 0, policies: 0, valid: 0, templates: 0, parts: 0 }
  t.diagnostic(`SALLYPORT_SEED=${seed} SALLYPORT_SCHEMAS=${schemas}, cedar-wasm ${cedar.getCedarVersion()}`)
  for (let i = 0; i < schemas; i++) {
    const world = new World(seed * 8192 + i * 2)
    const m = new TypedMaker(world, seed * 8192 + i * 2 + 1)
    const policies = Array.from({ length: POLICIES }, (_, k) => m.policy(`p${k}`)).filter(Boolean)
    const asText = i % 2 ? cedar.schemaToText(world.json()) : undefined
    if (asText) assert.equal(asText.type, 'success', JSON.stringify(asText.errors))
    const schema = asText ? asText.text : world.json()
    const [a, b] = [await ours(schema, policies), theirs(schema, policies)]
    assert.ok(!a.refused && !b.refused, `SALLYPORT_SEED=${seed}, schema ${i}: ours ${a.refused}, theirs ${b.refused}\n${JSON.stringify(schema)}`)
    for (let k = 0; k < policies.length; k++) {
      if (a.valid[k] !== b.valid[k]) assert.fail(`SALLYPORT_SEED=${seed}, schema ${i}, policy ${k}: ${await reproducer(schema, policies[k])}`)
      count.policies++
      count.valid += b.valid[k] ? 1 : 0
      count.templates += policies[k].slots.length ? 1 : 0
      count.parts += policies[k].conditions.map(c => text(c.expr)).join('').length
    }
    count.schemas++
  }
  t.diagnostic(JSON.stringify(count))
  // A generator of nothing but faults, or of none, would compare nothing.
  assert.ok(count.valid > count.policies / 6 && count.valid < count.policies * 0.9, 'verdicts are all the same')
})
