// SPDX-License-Identifier: GPL-3.0-or-later
// Cedar's published cases (SALLYPORT_VECTORS), changed by chance: validated and decided by policy/ and by Cedar itself (cedar-wasm, strict). What one
// accepts the other must, and what one decides.
//
// SALLYPORT_SEED repeats a run, SALLYPORT_CASES is how many cases there are, with 12 changed policies each (300, a tenth under a sanitizer).
// One thread.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import * as cedar from '@cedar-policy/cedar-wasm/nodejs'
import { Driver } from './lib/cedar_driver.mjs'
import { random } from './lib/cedar_make.mjs'
import { Mutator, Pool } from './lib/cedar_mutate.mjs'
import { sanitised, repository } from './lib/files.mjs'

const POLICIES = 12
const wanted = Number(process.env.SALLYPORT_CASES ?? (sanitised ? 30 : 300))
const seed = Number(process.env.SALLYPORT_SEED ?? Date.now() % 1_000_000_000)
const archive = path.join(process.env.SALLYPORT_VECTORS ?? path.join(repository, '../shared/vectors'), 'cedar/corpus.tar.xz')

let driver, folder, names
before(() => {
  driver = new Driver()
  if (!existsSync(archive)) return
  folder = mkdtempSync(path.join(tmpdir(), 'sallyport-corpus-'))
  execFileSync('tar', ['xJf', archive, '-C', folder])
  names = readdirSync(path.join(folder, 'corpus-tests')).filter(n => n.endsWith('.cedar')).map(n => n.slice(0, -6)).sort()
})
after(() => {
  driver.end()
  if (folder) rmSync(folder, { recursive: true })
})

const read = (name, ending) => readFileSync(path.join(folder, 'corpus-tests', name + ending), 'utf8')

function load(name) {
  const schemaText = read(name, '.cedarschema'), policy = read(name, '.cedar')
  const schema = cedar.schemaToJson(schemaText), parsed = cedar.policyToJson(policy)
  if (schema.type !== 'success' || parsed.type !== 'success') return undefined
  const { requests } = JSON.parse(read(name, '.json'))
  return { name, schema: schema.json, schemaText, policy: parsed.json, entities: JSON.parse(read(name, '.entities.json')), requests }
}

function theirs(schema, texts) {
  const answer = cedar.validate({ schema, policies: { staticPolicies: Object.fromEntries(texts.map((t, i) => [`p${i}`, t])) } })
  if (answer.type !== 'success') return { refused: answer.errors.map(e => e.message).join('; ') }
  const why = new Map()
  // As in policy_validation.test.mjs.
  const inapplicable = answer.validationWarnings.filter(e => e.error.message.includes('unable to find an applicable action'))
  for (const e of [...answer.validationErrors, ...inapplicable]) if (!why.has(e.policyId)) why.set(e.policyId, e.error.message)
  return { valid: texts.map((_, i) => !why.has(`p${i}`)), why: texts.map((_, i) => why.get(`p${i}`) ?? null) }
}

// The entities that the schema's actions are.
function actionsOf(schema) {
  const out = []
  for (const [space, s] of Object.entries(schema)) {
    const type = space ? `${space}::Action` : 'Action'
    for (const [id, a] of Object.entries(s.actions)) out.push({ uid: { type, id }, attrs: {}, parents: (a.memberOf ?? []).map(p => ({ type: p.type ?? type, id: p.id })) })
  }
  return out
}

function decidedByTheirs(texts, entities, requests) {
  const staticPolicies = Object.fromEntries(texts.map((t, i) => [`p${i}`, t]))
  return requests.map(({ principal, action, resource, context }) => {
    const { type, errors, response } = cedar.isAuthorized({ principal, action, resource, context, policies: { staticPolicies }, entities })
    if (type !== 'success') return { refused: errors.map(e => e.message).join('; ') }
    return { allow: response.decision === 'allow', reason: [...response.diagnostics.reason].sort(), errors: response.diagnostics.errors.map(e => e.policyId).sort() }
  })
}

function toText(json) {
  const answer = cedar.policyToText(json)
  return answer.type === 'success' && cedar.checkParsePolicySet({ staticPolicies: { p: answer.text } }).type === 'success' ? answer.text : undefined
}

test('changed cases are valid, and decided, as Cedar has it', { timeout: 600_000 }, async t => {
  if (!folder) return t.skip('no published cases here')
  t.diagnostic(`SALLYPORT_SEED=${seed} SALLYPORT_CASES=${wanted}, cedar-wasm ${cedar.getCedarVersion()}`)
  const r = random(seed)
  const count = { cases: 0, schemas: 0, refused: 0, policies: 0, valid: 0, requests: 0, allowed: 0, errors: 0 }
  const pool = new Pool(names.map(n => r.chance(40) ? load(n) : undefined).filter(Boolean))
  const differs = words => assert.fail(words)
  for (let i = 0; i < wanted; i++) {
    const c = load(r.pick(names))
    if (!c) continue
    const where = `SALLYPORT_SEED=${seed}, case ${i} (${c.name})`
    const m = new Mutator(pool, seed * 1024 + i, c)
    const texts = Array.from({ length: POLICIES }, () => toText(m.policy(c.policy))).filter(Boolean)
    const changed = r.chance(60)
    const schemaJson = changed ? m.schema(c.schema) : c.schema
    const asText = r.chance(60) ? cedar.schemaToText(schemaJson) : undefined
    const schema = !changed ? c.schemaText : asText?.type === 'success' ? asText.text : schemaJson
    const ours = await driver.ask({ schema: typeof schema === 'string' ? schema : JSON.stringify(schema), validate: texts })
    const their = theirs(schema, texts)
    count.cases++
    if (ours.refused || their.refused) {
      count.refused++
      if (!ours.refused !== !their.refused) differs(`${where}: schema: ours ${ours.refused}, theirs ${their.refused}\n${typeof schema === 'string' ? schema : JSON.stringify(schema)}`)
    } else {
      count.schemas++
      texts.forEach((text, k) => {
        count.policies++
        count.valid += their.valid[k] ? 1 : 0
        if (ours.valid[k] !== their.valid[k]) differs(`${where}: ours ${ours.why[k] ?? 'valid'}, theirs ${their.why[k] ?? 'valid'}\n${text}\n${typeof schema === 'string' ? schema : JSON.stringify(schema)}`)
      })
    }
    const entities = [...c.entities.filter(e => !/(^|::)Action$/.test(e.uid.type)), ...actionsOf(c.schema)]
    const requests = c.requests.slice(0, 4)
    const decided = await driver.ask({ policies: texts.map((text, k) => text.replace(/(permit|forbid)\s?\(/, `@id("p${k}")\n$&`)).join('\n'), entities, requests: requests.map(({ principal, action, resource, context }) => ({ principal, action, resource, context })) })
    const answers = decidedByTheirs(texts, entities, requests)
    if (decided.refused) { if (!answers.every(a => a.refused)) differs(`${where}: set refused: ${decided.refused}; ${JSON.stringify(answers[0]).slice(0, 300)}`); continue }
    answers.forEach((a, k) => {
      const o = decided.answers[k], list = ids => JSON.stringify([...ids ?? []].sort())
      count.requests++
      count.allowed += a.allow ? 1 : 0
      count.errors += a.errors?.length ?? 0
      if (!o.refused !== !a.refused || o.allow !== a.allow || list(o.reason) !== list(a.reason) || list(o.errors) !== list(a.errors) || o.partly) {
        const bad = texts.filter((_, n) => (o.reason ?? []).includes(`p${n}`) !== (a.reason ?? []).includes(`p${n}`) || (o.errors ?? []).includes(`p${n}`) !== (a.errors ?? []).includes(`p${n}`))
        differs(`${where}, request ${k}: ours ${JSON.stringify(o)}, theirs ${JSON.stringify(a)}\n${bad.join('\n')}\n${JSON.stringify(requests[k])}`)
      }
    })
  }
  t.diagnostic(JSON.stringify(count))
  assert.ok(count.valid > count.policies / 20 && count.valid < count.policies * 0.95, 'verdicts are all the same')
})
