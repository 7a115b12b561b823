// SPDX-License-Identifier: GPL-3.0-or-later
// Two implementations of one language: policies and requests made by chance, decided by policy/ and by Cedar itself (cedar-wasm). Decision,
// determining policies and the policies that could not be evaluated must be equal, and so must be what either refuses to parse. On top: what the
// gateway makes of it (a forbid that cannot be evaluated denies) follows from the same answers. What `policy format` makes of them is the same to Cedar.
//
// SALLYPORT_SEED repeats a run, SALLYPORT_ROUNDS is how many worlds of 25 requests there are (800, a tenth under a sanitizer).
// One thread.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import * as cedar from '@cedar-policy/cedar-wasm/nodejs'
import { Corners } from './lib/cedar_corners.mjs'
import { Driver } from './lib/cedar_driver.mjs'
import { Maker, policyText } from './lib/cedar_make.mjs'
import { shrink } from './lib/cedar_shrink.mjs'
import { sanitised } from './lib/files.mjs'

const REQUESTS = 25, POLICIES = 12
const rounds = Number(process.env.SALLYPORT_ROUNDS ?? (sanitised ? 80 : 800))
const seed = Number(process.env.SALLYPORT_SEED ?? Date.now() % 1_000_000_000)

let driver
const ask = question => driver.ask(question)

before(() => { driver = new Driver() })
after(() => { driver.end() })

// ---- how each is asked

// Facts come from the file, from the request, or one half from either: `where` says it by entity.
const half = (list, odd) => list.filter((_, i) => i % 2 === (odd ? 1 : 0))
function part(e, odd) {
  const of = record => Object.fromEntries(half(Object.entries(record), odd))
  return { uid: e.uid, attrs: of(e.attrs), ...(e.tags && { tags: of(e.tags) }), parents: half(e.parents, odd) }
}
const key = ({ uid }) => `${uid.type} ${uid.id}`

function ofOurs(c) {
  const ofWhere = (wanted, odd) => c.entities.flatMap(e => c.where.get(key(e)) === wanted ? [e] : c.where.get(key(e)) === 'both' ? [part(e, odd)] : [])
  const entities = ofWhere('request', true)
  return {
    policies: c.policies.map(p => policyText(p)).join('\n'),
    links: c.links.map(l => ({ templateId: l.template, newId: l.id, values: Object.fromEntries(Object.entries(l.values).map(([k, v]) => [`?${k}`, v])) })),
    entities: ofWhere('file', false),
    requests: c.requests.map(r => ({ ...r, entities })),
  }
}

function ofTheirs(c) {
  const loaded = cedar.preparsePolicySet('set', {
    staticPolicies: Object.fromEntries(c.policies.filter(p => !p.slots.length).map(p => [p.id, policyText(p)])),
    templates: Object.fromEntries(c.policies.filter(p => p.slots.length).map(p => [p.id, policyText(p)])),
    templateLinks: c.links.map(l => ({ templateId: l.template, newId: l.id, values: Object.fromEntries(Object.entries(l.values).map(([k, v]) => [`?${k}`, v])) })),
  })
  if (loaded.type !== 'success') return { refused: loaded.errors.map(e => e.message).join('; ') }
  return {
    answers: c.requests.map(r => {
      const { type, errors, response } = cedar.statefulIsAuthorized({ ...r, preparsedPolicySetId: 'set', entities: c.entities })
      if (type !== 'success') return { refused: errors.map(e => e.message).join('; ') }
      const ids = response.diagnostics.errors.map(e => e.policyId).sort()
      return { allow: response.decision === 'allow', reason: [...response.diagnostics.reason].sort(), errors: ids, messages: response.diagnostics.errors.map(e => e.error.message) }
    }),
  }
}

// What is different, in words; undefined: nothing.
function difference(ours, theirs, effects) {
  if (ours.refused || theirs.refused) return !ours.refused === !theirs.refused ? undefined : `refused: ours ${ours.refused}, theirs ${theirs.refused}`
  const list = ids => JSON.stringify([...ids].sort())
  for (const part of ['allow', 'reason', 'errors']) {
    const [a, b] = part === 'allow' ? [ours.allow, theirs.allow] : [list(ours[part]), list(theirs[part])]
    if (a !== b) return `${part}: ours ${a}, theirs ${b}`
  }
  if (ours.partly) return `decided partly: ${ours.partly}`
  const gateway = theirs.allow && !theirs.errors.some(id => effects.get(id) === 'forbid')
  return ours.gateway === gateway ? undefined : `gateway: ${ours.gateway}, expected ${gateway}`
}

function effectsOf(c) {
  const effects = new Map(c.policies.map(p => [p.id, p.effect]))
  for (const l of c.links) effects.set(l.id, effects.get(l.template))
  return effects
}

// Index and words of the first request that differs, or undefined.
function firstDifference(c, ours, theirs) {
  if (ours.refused || theirs.refused) {
    const words = difference(ours, theirs, new Map())
    return words && { at: 0, words }
  }
  const effects = effectsOf(c)
  for (let at = 0; at < c.requests.length; at++) {
    const words = difference(ours.answers[at], theirs.answers[at], effects)
    if (words) return { at, words }
  }
  return undefined
}

async function compare(c) {
  const answer = ask(ofOurs(c))
  const theirs = ofTheirs(c)
  const ours = await answer
  return { ours, theirs, first: firstDifference(c, ours, theirs) }
}

// ---- making worlds

async function world(number) {
  const m = new Maker(seed * 4096 + number)
  const entities = m.entities()
  const made = Array.from({ length: POLICIES }, (_, i) => m.policy(`p${i}`))
  const { accepted } = await ask({ check: made.map(p => policyText(p)) })
  const policies = made.filter((p, i) => {
    const theirs = parses(policyText(p), p.slots.length > 0)
    assert.equal(accepted[i], theirs, `seed ${seed}: ours ${accepted[i] ? 'parses' : 'refuses'}, theirs does not agree:\n${policyText(p)}`)
    return theirs
  })
  const links = policies.filter(p => p.slots.length).flatMap(p => Array.from({ length: m.r.between(0, 2) }, (_, i) => m.link(p, `${p.id}.${i}`)))
  const places = m.r.pick([['file'], ['request'], ['both'], ['file', 'file', 'file', 'request', 'both'], ['file', 'file', 'both'], ['file', 'request', 'both']])
  const where = new Map(entities.map(e => [key(e), m.r.pick(places)]))
  return { policies, links, entities, where, requests: Array.from({ length: REQUESTS }, () => m.request()) }
}

function parses(source, template) {
  return cedar.checkParsePolicySet(template ? { templates: { t: source } } : { staticPolicies: { p: source } }).type === 'success'
}

function show(c, words) {
  const ours = ofOurs(c)
  return [words, '', ours.policies, '', `links: ${JSON.stringify(ours.links)}`, `entities: ${JSON.stringify(ours.entities)}`, `request: ${JSON.stringify(ours.requests[0])}`].join('\n')
}

async function reproducer(c, first) {
  const one = { ...c, request: c.requests[first.at] }
  const whole = s => ({ ...s, requests: [s.request] })
  const small = await shrink(one, async s => (await compare(whole(s))).first !== undefined)
  const { theirs, first: left } = await compare(whole(small))
  return show(whole(small), `${left.words}\n${theirs.answers?.[0].messages?.join('\n') ?? ''}`)
}

// ---- tests

test('decisions, reasons and errors are those of Cedar', { timeout: 300_000 }, async t => {
  const count = { requests: 0, allowed: 0, errors: 0, reasons: 0, refused: 0, policies: 0, links: 0 }
  t.diagnostic(`SALLYPORT_SEED=${seed} SALLYPORT_ROUNDS=${rounds}, cedar-wasm ${cedar.getCedarVersion()}`)
  for (let i = 0; i < rounds; i++) {
    const c = await world(i)
    const { ours, first } = await compare(c)
    if (first) assert.fail(`SALLYPORT_SEED=${seed}, world ${i}: ${await reproducer(c, first)}`)
    count.policies += c.policies.length
    count.links += c.links.length
    for (const a of ours.answers ?? []) {
      count.requests++
      count.refused += a.refused ? 1 : 0
      count.allowed += a.allow ? 1 : 0
      count.errors += a.errors?.length ?? 0
      count.reasons += a.reason?.length ?? 0
    }
  }
  t.diagnostic(JSON.stringify(count))
  // A generator that makes nothing but denials would compare nothing.
  assert.ok(count.requests >= rounds * REQUESTS * 0.95, 'too many worlds were refused')
  assert.ok(count.allowed > count.requests / 20 && count.allowed < count.requests * 0.95, 'decisions are all the same')
  assert.ok(count.errors > count.requests / 10 && count.reasons > count.requests / 10, 'too little is evaluated')
})

test('so they are at the corners of the language', { timeout: 300_000 }, async t => {
  const entities = [{ uid: { type: 'U', id: 'a' }, attrs: { s: 'x', n: 1 }, parents: [] }]
  const request = { principal: { type: 'U', id: 'a' }, action: { type: 'Action', id: 'a' }, resource: { type: 'U', id: 'b' }, context: { n: 5 } }
  const count = { conditions: 0, policies: 0, held: 0, errors: 0 }
  for (let i = 0; i < rounds / 40; i++) {
    const texts = new Corners(seed * 4096 + i).all().map((c, k) => `@id("p${k}") permit(principal, action, resource) when { ${c} };`)
    const { accepted } = await ask({ check: texts })
    texts.forEach((text, k) => assert.equal(accepted[k], parses(text, false), `SALLYPORT_SEED=${seed}: ours ${accepted[k] ? 'accepts' : 'refuses'} it, theirs does not:\n${text}`))
    const all = texts.filter((_, k) => accepted[k])
    const { answers: [ours] } = await ask({ policies: all.join('\n'), entities, requests: [request] })
    const staticPolicies = Object.fromEntries(texts.map((text, k) => [`p${k}`, text]).filter((_, k) => accepted[k]))
    const { response } = cedar.isAuthorized({ ...request, policies: { staticPolicies }, entities })
    const reason = new Set(response.diagnostics.reason), errors = new Set(response.diagnostics.errors.map(e => e.policyId))
    for (const [id, text] of Object.entries(staticPolicies)) {
      assert.equal(ours.reason.includes(id), reason.has(id), `SALLYPORT_SEED=${seed}: ours ${reason.has(id) ? 'does not hold' : 'holds'}:\n${text}`)
      assert.equal(ours.errors.includes(id), errors.has(id), `SALLYPORT_SEED=${seed}: ours ${errors.has(id) ? 'can' : 'cannot'} be evaluated:\n${text}`)
    }
    assert.equal(ours.partly, undefined)
    count.conditions += texts.length
    count.policies += all.length
    count.held += reason.size
    count.errors += errors.size
  }
  t.diagnostic(JSON.stringify(count))
  assert.ok(count.policies > count.conditions / 2 && count.held > count.policies / 20 && count.errors > count.policies / 10)
})

test('what is no policy is none to either parser', { timeout: 300_000 }, async t => {
  let accepted = 0, all = 0
  for (let i = 0; i < rounds; i++) {
    const m = new Maker(seed * 4096 + i + 2048)
    m.entities()
    const texts = Array.from({ length: 10 }, () => m.spoilt(policyText(m.policy('p'))))
    const ours = await ask({ check: texts })
    texts.forEach((text, k) => {
      const theirs = parses(text, false) || parses(text, true)
      assert.equal(ours.accepted[k], theirs, `SALLYPORT_SEED=${seed}: ours ${ours.accepted[k] ? 'accepts' : 'refuses'} it, theirs does not:\n${text}`)
      accepted += theirs ? 1 : 0
      all++
    })
  }
  t.diagnostic(`${all} texts, ${accepted} of them policies`)
})

// What Cedar reads in a text, without what formatting may change.
function meaning(source, template) {
  const answer = template ? cedar.templateToJson(source) : cedar.policyToJson(source)
  assert.equal(answer.type, 'success', `SALLYPORT_SEED=${seed}: ${JSON.stringify(answer.errors)}\n${source}`)
  return JSON.stringify(answer.json)
}

// A comment behind some of the tokens.
function commented(m, source) {
  let n = 0
  const tokens = source.match(/"(?:[^"\\]|\\.)*"|[?A-Za-z_]\w*|\d+|::|[<>=!]=|&&|\|\||\s+|./gsu)
  return [tokens.map(token => m.r.chance(3) ? `${token} // c${n++}\n` : token).join(''), n]
}

test('formatting changes neither what a policy means nor its comments, and is done in one go', { timeout: 300_000 }, async t => {
  let all = 0, comments = 0
  for (let i = 0; i < rounds; i++) {
    const m = new Maker(seed * 4096 + i + 3072)
    m.entities()
    const policies = Array.from({ length: 6 }, (_, k) => m.policy(`p${k}`)).filter(p => parses(policyText(p), p.slots.length > 0))
    const sources = policies.map(p => commented(m, policyText(p)))
    const { texts } = await ask({ format: sources.map(([text]) => text) })
    const again = await ask({ format: texts })
    policies.forEach((p, k) => {
      const [source, n] = sources[k]
      assert.ok(texts[k] !== null, `SALLYPORT_SEED=${seed}: not formatted:\n${source}`)
      assert.equal(meaning(texts[k], p.slots.length > 0), meaning(source, p.slots.length > 0), `SALLYPORT_SEED=${seed}: another meaning:\n${source}\nas\n${texts[k]}`)
      for (let c = 0; c < n; c++) assert.ok(texts[k].includes(`// c${c}\n`), `SALLYPORT_SEED=${seed}: a comment is lost:\n${source}\nas\n${texts[k]}`)
      assert.equal(again.texts[k], texts[k], `SALLYPORT_SEED=${seed}: formatted twice it is another:\n${source}`)
      comments += n
    })
    all += policies.length
  }
  t.diagnostic(`${all} policies, ${comments} comments`)
  assert.ok(all > rounds * 5 && comments > all)
})
