// SPDX-License-Identifier: GPL-3.0-or-later
// What a permit obliges the gateway to, seen from the shard and from the audit log.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { after, before, test } from 'node:test'
import { nothingReaches, refused } from './lib/expect.mjs'
import { replace, sallyport } from './lib/files.mjs'
import { World } from './lib/gateway.mjs'
import { dumpLogs, run } from './lib/program.mjs'
import { Upstream } from './lib/upstream.mjs'

const PERMIT = 'permit (principal, action, resource)\nwhen { context.token has tenant };\n'
const FILTER = '@filter("tenant_id", "context.token.tenant")\n'
const C = '/collections/docs'
let w, shard, acme

before(async () => {
  shard = await Upstream.start()
  w = await World.make('obligations', { shards: [{ name: 'one', api: 'qdrant', endpoints: [shard.url] }], routes: [{ shard: 'one' }],
    policies: '@id("plain")\n' + PERMIT })
  Object.assign(w.config.audit, { inputs: 'never', sync: 'request' })
  w.config.issuers[0].asserts.tenants = ['*']
  w.save()
  await w.start()
  acme = await w.workload('acme', { mint: { claims: { tenant: 'acme' } } })
})

after(async () => {
  dumpLogs(w?.process)
  await w?.stop()
  await shard?.stop()
})

const search = body => acme.post(C + '/points/search', { vector: [0.5], limit: 3, ...body })
const recordOf = answer => w.record(answer.headers['x-request-id'])
const load = async policies => {
  replace(w.at('policy.cedar'), policies)
  assert.ok(await w.reload(), w.process.log)
}

test('without an obligation requests go as they are, and the record holds no inputs where none are wanted', async () => {
  const answer = await search()
  assert.equal(answer.status, 200)
  const record = await recordOf(answer)
  assert.deepEqual([record.decision, record.inputs, record.obligations], ['allow', undefined, undefined])
  assert.equal(w.records().some(r => r.kind === 'intent' && r.request_id === record.request_id), false)
})

test('rule 37: a filter is joined to what the client asks for', async () => {
  await load('@id("own")\n' + FILTER + PERMIT)
  const mine = { key: 'tenant_id', match: { value: 'acme' } }
  for (const filter of [undefined, { should: [{ key: 'tenant_id', match: { value: 'zen' } }] }]) {
    const answer = await search(filter && { filter })
    assert.equal(answer.status, 200, answer.text)
    const sent = JSON.parse(shard.last.body).filter
    assert.ok(JSON.stringify(sent.must).includes(JSON.stringify(mine)), JSON.stringify(sent))
    assert.equal(sent.should, undefined)
    assert.deepEqual((await recordOf(answer)).obligations, [{ policy: 'own', filter: 'tenant_id', value: 'acme' }])
  }
})

test('rule 37: a write is read for its filter, and carries its tenant', async () => {
  const points = payload => ({ points: [{ id: 1, vector: [0.5], ...(payload && { payload }) }] })
  const answer = await acme.request('PUT', C + '/points', { body: points({ text: 'a' }) })
  assert.equal(answer.status, 200, answer.text)
  const sent = JSON.parse(shard.last.body)
  assert.deepEqual(sent.points[0].payload, { text: 'a', tenant_id: 'acme' })
  await nothingReaches(shard, async () => {
    refused(await acme.request('PUT', C + '/points', { body: points({ tenant_id: 'zen' }) }), { status: 400, code: 'api_body' })
  })
})

test('rule 37: what no filter can be put into is refused, and says so to nobody but the record', async () => {
  await nothingReaches(shard, async () => {
    for (const [method, path] of [['GET', '/points/1'], ['HEAD', '/points/1'], ['DELETE', ''], ['POST', '/snapshots']]) {
      const answer = await acme.request(method, C + path)
      assert.equal(answer.status, 403, `${method} ${path}`)
      const record = await recordOf(answer)
      assert.deepEqual([record.error, record.decision], ['POLICY_OBLIGATION', 'deny'])
      assert.ok(record.detail)
    }
  })
  assert.equal((await acme.request('GET', C)).status, 200)
})

test('rule 37: a filter that cannot be evaluated denies, and the record says where', async () => {
  await load('@id("own")\n@filter("tenant_id", "9223372036854775807 + 1")\n' + PERMIT)
  const answer = await nothingReaches(shard, () => search())
  refused(answer, { status: 403, code: 'denied' })
  const record = await recordOf(answer)
  assert.deepEqual([record.error, record.policies], ['POLICY_OBLIGATION', ['own']])
  assert.match(record.policy_errors[0].error, /integer overflow/)
})

test('rule 37: a full record is written before the request goes, whatever is left out of others', async () => {
  await load('@id("all")\n' + PERMIT + '@id("watched")\n@audit("full")\n' + PERMIT)
  const known = new Set(w.records().map(r => r.request_id))
  let before
  shard.answer = request => {
    before = w.records().filter(r => r.kind === 'intent' && !known.has(r.request_id))
    shard.answer = undefined
    const body = '{"result":[],"status":"ok","time":0.0}'
    return `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  }
  const answer = await search()
  assert.equal(answer.status, 200)
  const record = await recordOf(answer), intent = await w.record(record.request_id, 'intent')
  assert.deepEqual(record.obligations, [{ policy: 'watched', audit: 'full' }])
  assert.equal(record.inputs[0].action.id, 'search')
  assert.deepEqual(intent.inputs, record.inputs)
  assert.deepEqual(before.map(r => [r.kind, r.inputs?.length]), [['intent', 1]], 'it was on the disk when the shard was asked')
})

test('a filter that would be lost is a change that diff tells', async () => {
  fs.writeFileSync(w.at('old.cedar'), '@id("own")\n' + FILTER + PERMIT)
  fs.writeFileSync(w.at('new.cedar'), '@id("own")\n' + PERMIT)
  const diff = (a, b) => run(sallyport, ['policy', 'diff', w.at(a), w.at(b), '--requests', w.audit])
  assert.equal(diff('old.cedar', 'old.cedar').status, 0)
  const answer = diff('old.cedar', 'new.cedar')
  assert.equal(answer.status, 1, answer.err)
  assert.match(answer.out, /old {2}allow .*\n {7}filter tenant_id = "acme" {2}\(own\)\n {2}new {2}allow [^\n]*\n/)
})

test('what is misspelt is refused, and what was in force stays', async () => {
  replace(w.at('policy.cedar'), '@fliter("tenant_id", "context.token.tenant")\n' + PERMIT)
  assert.equal(await w.reload(), false)
  assert.match(w.process.log, /unknown annotation @fliter; did you mean @filter\?/)
})
