// SPDX-License-Identifier: GPL-3.0-or-later
// What the gateway recorded can be decided again, explained, and tried against other policies, by the command line alone.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { after, before, test } from 'node:test'
import { sallyport } from './lib/files.mjs'
import { World } from './lib/gateway.mjs'
import { dumpLogs, run } from './lib/program.mjs'
import { Upstream } from './lib/upstream.mjs'

const POLICY = limit => `
@id("readers")
permit (principal in Role::"test/reader", action in Action::"readonly", resource is Collection)
when { context.request has limit && context.request.limit <= ${limit} };

@id("sealed")
forbid (principal, action, resource) when { resource has name && resource.name == "docs-sealed" };
`
const policy = (...args) => run(sallyport, ['policy', ...args])
let w, shard, small, large, sealed

before(async () => {
  shard = await Upstream.start()
  w = await World.make('policy-tools', { shards: [{ name: 'one', api: 'qdrant', endpoints: [shard.url] }], routes: [{ shard: 'one' }], policies: POLICY(50) })
  w.config.issuers[0].asserts.roles = ['reader']
  w.save()
  await w.start()
  const client = await w.workload('client', { mint: { claims: { roles: ['reader'] } } })
  const search = async (collection, limit) => {
    const answer = await client.post(`/collections/${collection}/points/search`, { vector: [0.5], limit })
    return w.record(answer.headers['x-request-id'])
  }
  small = await search('docs', 10)
  large = await search('docs', 100)
  sealed = await search('docs-sealed', 10)
  assert.deepEqual([small.decision, large.decision, sealed.decision], ['allow', 'deny', 'deny'])
})

after(async () => {
  dumpLogs(w?.process)
  await w?.stop()
  await shard?.stop()
})

test('authorize decides every recorded request as the gateway did', () => {
  for (const record of [small, large, sealed]) {
    fs.writeFileSync(w.at('request.json'), JSON.stringify(record.inputs))
    const answer = policy('authorize', '--config', w.at('gateway.yaml'), '--request', w.at('request.json'), '--json')
    assert.equal(answer.err, '')
    assert.equal(answer.status, record.decision === 'allow' ? 0 : 1)
    const { decision, requests } = JSON.parse(answer.out)
    assert.equal(decision, record.decision)
    assert.deepEqual(requests[0].reason, record.policies ?? [])
  }
})

test('explain says of a record what the nearest permit lacked, and which forbid held', () => {
  const asked = id => policy('explain', '--config', w.at('gateway.yaml'), '--audit', w.audit, '--request-id', id)
  const answer = asked(large.request_id)
  assert.equal(answer.status, 1, answer.err)
  assert.match(answer.out, /nearest to permitting:\n {2}permit readers /)
  assert.match(answer.out, /context\.request\.limit <= 50 {2}is false\n {6}context\.request\.limit = 100\n/)
  const forbidden = asked(sealed.request_id)
  assert.match(forbidden.out, /forbid sealed \([^)]*\): holds\n/)
  assert.match(forbidden.out, /resource\.name = "docs-sealed"/)
  assert.equal(asked(small.request_id).status, 0)
})

test('diff shows the decision that a change of the policies would change, and no other', () => {
  fs.writeFileSync(w.at('proposed.cedar'), POLICY(200))
  const same = policy('diff', w.at('gateway.yaml'), w.at('policy.cedar'), '--requests', w.audit)
  assert.equal(same.status, 0, same.out + same.err)
  const answer = policy('diff', w.at('gateway.yaml'), w.at('proposed.cedar'), '--requests', w.audit, '--json')
  assert.equal(answer.status, 1, answer.err)
  const { changes, records } = JSON.parse(answer.out)
  assert.equal(records, 3)
  assert.deepEqual(changes.map(c => [c.request_id, c.old.decision, c.new.decision, c.new.reason]), [[large.request_id, 'deny', 'allow', ['readers']]])
})

test('the roles of a configured issuer are somebody\'s, and bench takes the log', () => {
  const known = policy('analyze', '--config', w.at('gateway.yaml'))
  assert.equal(known.status, 0, known.out + known.err)
  fs.writeFileSync(w.at('other.cedar'), POLICY(1).replace('test/reader', 'tset/reader'))
  const unknown = policy('analyze', '--config', w.at('gateway.yaml'), '--policies', w.at('other.cedar'))
  assert.equal(unknown.status, 2) // the ids are there twice
  const alone = policy('analyze', '--policies', w.at('other.cedar'))
  assert.match(alone.out, /nobody has the role Role::"tset\/reader"/)
  const bench = policy('bench', '--config', w.at('gateway.yaml'), '--requests', w.audit, '--decisions', '100', '--json')
  assert.equal(bench.status, 0, bench.err)
  assert.deepEqual([JSON.parse(bench.out).requests, JSON.parse(bench.out).allowed], [3, 1])
})
