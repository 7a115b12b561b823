// SPDX-License-Identifier: GPL-3.0-or-later
// Two validators of one language: schemas and policies made by chance, judged by policy/ and by Cedar itself (cedar-wasm, strict). What one
// finds a fault in the other must. Schemas go to either in one of the two syntaxes, by turns.
//
// SALLYPORT_SEED repeats a run, SALLYPORT_SCHEMAS is how many schemas with 25 policies each there are (200, a tenth under a sanitizer).
// One thread.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import * as cedar from '@cedar-policy/cedar-wasm/nodejs'
import { Driver } from './lib/cedar_driver.mjs'
import { policyText, random, text } from './lib/cedar_make.mjs'
import { SchemaMaker } from './lib/cedar_schemas.mjs'
import { shrink } from './lib/cedar_shrink.mjs'
import { TypedMaker, World } from './lib/cedar_typed.mjs'
import { sanitised } from './lib/files.mjs'

const POLICIES = 25
const schemas = Number(process.env.SALLYPORT_SCHEMAS ?? (sanitised ? 20 : 200))
const seed = Number(process.env.SALLYPORT_SEED ?? Date.now() % 1_000_000_000)

let driver
before(() => { driver = new Driver() })
after(() => { driver.end() })

// By policy: whether it is valid, and why not.
function theirs(schema, policies) {
  const of = template => Object.fromEntries(policies.filter(p => !!p.slots.length === template).map(p => [p.id, p.source ?? policyText(p)]))
  const answer = cedar.validate({ schema, policies: { staticPolicies: of(false), templates: of(true) } })
  if (answer.type !== 'success') return { refused: answer.errors.map(e => e.message).join('; ') }
  const why = new Map()
  // A scope that fits nothing is an error to Cedar's published cases, and to Cedar up to 4.12; 4.13 calls it a warning.
  const inapplicable = answer.validationWarnings.filter(e => e.error.message.includes('unable to find an applicable action'))
  for (const e of [...answer.validationErrors, ...inapplicable]) if (!why.has(e.policyId)) why.set(e.policyId, e.error.message)
  return { valid: policies.map(p => !why.has(p.id)), why: policies.map(p => why.get(p.id) ?? null) }
}

function theirsOfTexts(schema, texts) {
  return theirs(schema, texts.map((source, i) => ({ id: `p${i}`, source, slots: [] })))
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

const oursOfTexts = (schema, texts) => driver.ask({ schema: typeof schema === 'string' ? schema : JSON.stringify(schema), validate: texts })

test('what is a schema to Cedar is one, whatever its names are, and so is what is valid under it', { timeout: 300_000 }, async t => {
  const count = { schemas: 0, refused: 0, policies: 0, valid: 0 }
  for (let i = 0; i < schemas * 2; i++) {
    const m = new SchemaMaker(seed * 8192 + i), text = m.text()
    const texts = Array.from({ length: 10 }, () => m.policy()).filter(p => cedar.checkParsePolicySet({ staticPolicies: { p } }).type === 'success')
    const { json } = cedar.schemaToJson(text)
    for (const schema of json && i % 3 === 0 ? [text, json] : [text]) {
      const [a, b] = [await oursOfTexts(schema, texts), theirsOfTexts(schema, texts)]
      const shown = typeof schema === 'string' ? schema : JSON.stringify(schema)
      assert.equal(!a.refused, !b.refused, `SALLYPORT_SEED=${seed}, schema ${i}: ours ${a.refused}, theirs ${b.refused}\n${shown}`)
      count.schemas++
      count.refused += a.refused ? 1 : 0
      for (let k = 0; k < texts.length && !a.refused; k++) {
        assert.equal(a.valid[k], b.valid[k], `SALLYPORT_SEED=${seed}, schema ${i}: ours ${a.why[k]}, theirs ${b.why[k]}\n${texts[k]}\n${shown}`)
        count.policies++
        count.valid += b.valid[k] ? 1 : 0
      }
    }
  }
  t.diagnostic(JSON.stringify(count))
  assert.ok(count.refused < count.schemas * 0.8 && count.refused > count.schemas / 20 && count.valid > count.policies / 100, 'too little is compared')
})

// ---- entities, and links of templates

const EXTENSION_VALUES = { ipaddr: ['ip', '1.2.3.4'], decimal: ['decimal', '1.0'], datetime: ['datetime', '2024-01-01'], duration: ['duration', '1d'] }

// Entities as a world declares them, each now and then wrong in one place.
class DataMaker {
  constructor(world, seed) {
    this.w = world
    this.r = random(seed)
    this.names = [...world.entities.keys()]
  }
  id(type) {
    const e = this.w.entities.get(type)
    return e?.enum && !this.r.chance(4) ? this.r.pick(e.enum) : this.r.pick(['a', 'b', 'c'])
  }
  uid(type) { return { type, id: this.id(type) } }
  value(t) {
    const { r } = this
    if (r.chance(2)) t = r.pick([{ k: 'long' }, { k: 'string' }, { k: 'set', of: { k: 'long' } }, { k: 'record', attrs: {} }, { k: 'entity', name: r.pick([...this.names, 'Nobody']) }, { k: 'ext', name: 'decimal' }])
    switch (t.k) {
      case 'bool': return r.chance(50)
      case 'long': return r.below(5)
      case 'string': return 'x'
      case 'entity': return { __entity: this.uid(t.name) }
      case 'ext': return { __extn: { fn: EXTENSION_VALUES[t.name][0], arg: EXTENSION_VALUES[t.name][1] } }
      case 'set': return Array.from({ length: r.below(3) }, () => this.value(t.of))
      default: return this.record(t.attrs)
    }
  }
  record(attrs) {
    const { r } = this
    const list = Object.entries(attrs).filter(([, a]) => a.optional ? r.chance(50) : !r.chance(2))
    return { ...Object.fromEntries(list.map(([n, a]) => [n, this.value(a)])), ...(r.chance(2) && { extra: 1 }) }
  }
  entity(type) {
    const { r } = this
    const e = this.w.entities.get(type) ?? {}
    const parent = () => r.chance(90) ? e.parents?.length && r.pick(e.parents) : r.chance(10) && r.pick(this.names)
    return {
      uid: this.uid(type), attrs: this.record(e.attrs ?? {}),
      // Never one of those that stand in the list.
      parents: Array.from({ length: r.below(3) }, parent).filter(Boolean).map(p => ({ type: p, id: this.id(p) + (this.w.entities.get(p).enum ? '' : 'p') })),
      ...(r.chance(40) && (e.tags || r.chance(5)) && { tags: Object.fromEntries(['x', 'y'].slice(r.below(3)).map(n => [n, this.value(e.tags ?? { k: 'long' })])) }),
    }
  }
  list() {
    const { r } = this
    const all = Array.from({ length: r.between(1, 3) }, () => this.entity(r.chance(2) ? 'Nobody' : r.pick(this.names)))
    return all.filter((e, i) => all.findIndex(f => f.uid.type === e.uid.type && f.uid.id === e.uid.id) === i)
  }
}

test('entities and links that a schema refuses are those that Cedar refuses', { timeout: 300_000 }, async t => {
  const count = { lists: 0, good: 0, links: 0, valid: 0 }
  for (let i = 0; i < schemas / 2; i++) {
    const world = new World(seed * 8192 + i), schema = world.json()
    const m = new TypedMaker(world, seed * 8192 + i + 1), data = new DataMaker(world, seed * 8192 + i + 2)
    const lists = Array.from({ length: 20 }, () => data.list())
    const { conforms, why } = await driver.ask({ schema: JSON.stringify(schema), conform: lists })
    lists.forEach((entities, k) => {
      const { type, errors } = cedar.checkParseEntities({ entities, schema })
      assert.equal(conforms[k], type === 'success', `SALLYPORT_SEED=${seed}, schema ${i}: ours ${why[k]}, theirs ${errors?.[0].message}\n${JSON.stringify(entities)}\n${JSON.stringify(schema)}`)
      count.lists++
      count.good += conforms[k] ? 1 : 0
    })
    for (let k = 0; k < 12; k++) {
      const p = m.policy('t')
      if (!p?.slots.length) continue
      const values = Object.fromEntries(p.slots.map(s => [`?${s}`, data.uid(m.r.chance(70) ? m.env[s] : m.r.pick([...data.names, 'Nobody']))]))
      const links = [{ templateId: 't', newId: 'l', values }]
      const ours = await driver.ask({ schema: JSON.stringify(schema), validate: [policyText(p)], links })
      const answer = cedar.validate({ schema, policies: { staticPolicies: {}, templates: { t: policyText(p) }, templateLinks: links } })
      assert.equal(answer.type, 'success', JSON.stringify(answer.errors))
      const wrong = [...answer.validationErrors, ...answer.validationWarnings.filter(e => e.error.message.includes('unable to find an applicable action'))]
      assert.equal(ours.valid[0], !wrong.length, `SALLYPORT_SEED=${seed}, schema ${i}: ours ${ours.why[0]}, theirs ${wrong[0]?.error.message}\n${policyText(p)} ${JSON.stringify(values)}\n${JSON.stringify(schema)}`)
      count.links++
      count.valid += ours.valid[0] ? 1 : 0
    }
  }
  t.diagnostic(JSON.stringify(count))
  assert.ok(count.good > count.lists / 4 && count.good < count.lists * 0.9 && count.valid > 0 && count.valid < count.links)
})
