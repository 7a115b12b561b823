// SPDX-License-Identifier: GPL-3.0-or-later
// Rate limits of the real process, whose two loops draw from the same buckets: by configuration and by @limit, with what a client is told.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { after, before, beforeEach, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { nothingReaches, refused } from './lib/expect.mjs'
import { replace, sallyport } from './lib/files.mjs'
import { OPEN, World } from './lib/gateway.mjs'
import { dumpLogs, run } from './lib/program.mjs'
import { json, Upstream } from './lib/upstream.mjs'

const COUNT = '/collections/docs/points/count'
const SEARCH = '/collections/docs/points/search'
let w, shard, base, n = 0

before(async () => {
  shard = await Upstream.start()
  w = await World.make('limits', { shards: [{ name: 'one', api: 'qdrant', endpoints: [shard.url] }], routes: [{ shard: 'one' }] })
  base = structuredClone(w.config)
  await w.start()
})

beforeEach(() => { shard.answer = () => json({ result: [], status: 'ok' }) })

after(async () => {
  dumpLogs(w?.process)
  await w?.stop()
  await shard?.stop()
})

// In force on both loops, which take it up on their own.
async function reload() {
  assert.ok(await w.reload())
  await sleep(200)
}

async function limits(rules, more = {}) {
  w.config = { ...structuredClone(base), limits: { rules, ...more } }
  w.save()
  await reload()
}

// Somebody new, whom no bucket knows.
const somebody = () => w.workload(`w${++n}`, { sockets: 8 })

// A structured field with one member: its name and parameters (RFC 9651).
function field(text) {
  const [name, ...parameters] = text.split(';')
  return { name: JSON.parse(name), ...Object.fromEntries(parameters.map(p => p.split('=')).map(([k, v]) => [k, Number(v)])) }
}

const count = c => c.post(COUNT, '{}')
// So many at once, over several connections and both loops; how many got through.
const burst = async (c, many) => (await Promise.all(Array.from({ length: many }, () => count(c)))).filter(r => r.status === 200).length

test('over the limit is 429 with the time to wait, and after that time it goes on', async () => {
  await limits([{ name: 'few', rate: '30/min', burst: 3 }])
  const c = await somebody()
  for (let left = 2; left >= 0; left--) {
    const answer = await count(c)
    assert.equal(answer.status, 200)
    assert.deepEqual(field(answer.headers['ratelimit-policy']), { name: 'few', q: 3, w: 6 })
    assert.equal(field(answer.headers.ratelimit).name, 'few')
    assert.equal(field(answer.headers.ratelimit).r, left)
    assert.equal(answer.headers['retry-after'], undefined)
  }
  const over = await nothingReaches(shard, () => count(c))
  refused(over, { status: 429, code: 'rate_limited' })
  assert.match(over.headers['retry-after'], /^[12]$/)
  assert.equal(field(over.headers.ratelimit).r, 0)
  assert.ok(field(over.headers.ratelimit).t <= 6)
  const record = await w.record(over.json.request_id)
  assert.equal(record.decision, 'deny')
  assert.match(JSON.stringify(record), /limit few/)
  await sleep(Number(over.headers['retry-after']) * 1000)
  assert.equal((await count(c)).status, 200)
  assert.ok((await w.metrics())['sallyport_limit_refusals_total{rule="few"}'] >= 1)
})

test('loops share a budget to the last token, and subjects share none', async () => {
  await limits([{ name: 'shared', rate: '20/day' }])
  const [alice, bob] = [await somebody(), await somebody()]
  assert.equal(await burst(alice, 40), 20)
  assert.equal(await burst(bob, 5), 5)
  assert.equal((await count(alice)).status, 429)
})

test('a search of limit 10000 costs more than one of 10', async () => {
  await limits([{ name: 'results', rate: '1500/day', cost: 'results', match: { actions: ['search'] } }])
  const c = await somebody()
  const search = limit => c.post(SEARCH, JSON.stringify({ vector: [0.1], limit }))
  assert.equal(field((await search(10)).headers.ratelimit).r, 1499)
  assert.equal(field((await search(10000)).headers.ratelimit).r, 499)
  assert.equal((await search(10000)).status, 429)
  assert.equal(field((await search(10)).headers.ratelimit).r, 498)
  assert.equal((await count(c)).headers.ratelimit, undefined, 'the rule is for searches')
  // No bucket ever holds this much, so there is nothing to wait for.
  const never = await nothingReaches(shard, () => search(100000))
  refused(never, { status: 429, code: 'rate_limited' })
  assert.equal(never.headers['retry-after'], undefined)
})

test('what is used up stays used up through a reload, and a changed rate applies at once', async () => {
  await limits([{ name: 'kept', rate: '4/day' }])
  const c = await somebody()
  assert.equal(await burst(c, 9), 4)
  await limits([{ name: 'other', rate: '1000/day' }, { name: 'kept', rate: '4/day' }])
  assert.equal(await burst(c, 9), 0)
  await limits([{ name: 'kept', rate: '6/day' }])
  assert.equal(await burst(c, 9), 6)
  await limits([])
  const free = await count(c)
  assert.equal(free.status, 200)
  assert.equal(free.headers.ratelimit, undefined)
})

test('fields can be left out, and a shard has no say in them', async () => {
  shard.answer = () => json({ status: 'ok' }, { headers: 'RateLimit: "few";r=999;t=1\r\nX-RateLimit-Limit: 999\r\n' })
  await limits([{ name: 'few', rate: '2/day' }], { headers: false })
  const c = await somebody()
  const answer = await count(c)
  assert.equal(answer.headers.ratelimit, undefined)
  assert.equal(answer.headers['x-ratelimit-limit'], undefined)
  await count(c)
  const over = await count(c)
  assert.equal(over.status, 429)
  assert.equal(over.headers.ratelimit, undefined)
  assert.ok(Number(over.headers['retry-after']) > 43000)
})

test('a limit that is none keeps the old configuration in force', async () => {
  await limits([{ name: 'few', rate: '1/day' }])
  w.config.limits.rules[0].rate = '1/fortnight'
  w.save()
  assert.equal(await w.reload(), false)
  assert.match(w.process.log, /gateway\.yaml:\d+:\d+: error: '1\/fortnight' .*a number a period is expected/)
  const c = await somebody()
  assert.equal(await burst(c, 5), 1)
})

test('the limits of docs/limits.md are such', () => {
  const text = fs.readFileSync(new URL('../../docs/limits.md', import.meta.url), 'utf8').match(/```yaml\n(limits:[^`]*)```/)[1]
  const file = w.at('documented.yaml')
  w.save(base)
  fs.writeFileSync(file, fs.readFileSync(w.file, 'utf8') + text)
  const result = run(sallyport, ['check', '--config', file])
  assert.equal(result.status, 0, result.out)
})

test('rule 37: @limit holds each principal to the policy that permits it', async () => {
  await limits([])
  try {
    replace(w.at('policy.cedar'), `@id("slow") @limit("3/day")\npermit (principal, action in Action::"readonly", resource);\n` +
      `@id("writes")\npermit (principal, action == Action::"write", resource);\n`)
    await reload()
    const [c, other] = [await somebody(), await somebody()]
    const first = await count(c)
    assert.deepEqual(field(first.headers['ratelimit-policy']), { name: '@limit', q: 3, w: 86400 })
    assert.equal(await burst(c, 9), 2)
    const over = await nothingReaches(shard, () => count(c))
    refused(over, { status: 429, code: 'rate_limited' })
    assert.ok(!over.text.includes('slow'), 'no client learns what policies are called')
    assert.match(JSON.stringify(await w.record(over.json.request_id)), /@limit of policy slow/)
    assert.equal((await c.put('/collections/docs/points', JSON.stringify({ points: [] }))).status, 200, 'another policy permits it')
    assert.equal(await burst(other, 9), 3)
    assert.ok((await w.metrics())['sallyport_limit_refusals_total{rule="@limit"}'] > 0)
  } finally {
    replace(w.at('policy.cedar'), OPEN)
    await reload()
  }
})
