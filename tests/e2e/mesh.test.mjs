// SPDX-License-Identifier: GPL-3.0-or-later
// A cluster of two nodes, by the chart's own manifests, in network namespaces: an authority, a gateway on each node, a real Chroma on each, and pods whose
// unmodified client talks to `connect` on its own 127.0.0.1. What is real and what is played: lib/mesh.mjs, docs/kubernetes.md.
import assert from 'node:assert/strict'
import { ChromaClient } from 'chromadb'
import fs from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { until } from './lib/files.mjs'
import { helmProgram } from './lib/helm.mjs'
import { Mesh, PORT } from './lib/mesh.mjs'
import { missing } from './lib/netns.mjs'
import { dumpLogs } from './lib/program.mjs'

const skip = missing() ?? (!helmProgram() && 'the npm package has helm for x86-64 only')

describe('a cluster of two nodes', { skip }, () => {
  let m

  before(async () => {
    m = await Mesh.make('mesh', { values: { gateway: { config: { audit: { interval: '10ms' } } } } })
    await m.start()
    for (const shard of ['a', 'b'])
      await m.apps.a.ask('add', `search-docs-${shard}`, { ids: ['east', 'north'], embeddings: [[1, 0], [0, 1]], documents: [`east of ${shard}`, `north of ${shard}`] })
  })

  after(async () => {
    dumpLogs(...m?.logs ?? [])
    await m?.stop()
  })

  const search = async pod => assert.deepEqual(await pod.ask('query', 'search-docs-a', [[0.1, 0.9]], 1), [['north']])
  const seen = (node, pod) => m.records(node).filter(r => r.remote?.startsWith(`${pod.address}:`) && r.decision === 'allow').length
  // Searches until this node's gateway was the one; none may fail.
  const through = (node, pod) => {
    const before = seen(node, pod)
    return until(`a search of ${pod.name} through node ${node}`, async () => {
      await search(pod)
      return seen(node, pod) > before
    })
  }

  test('from enrolment to search: the pod has a token of its account, the application has an address', async () => {
    for (const pod of [m.apps.a, m.apps.b]) {
      const record = fs.readFileSync(`${m.authority.root}/var/lib/sallyport/audit.jsonl`, 'utf8').split('\n').filter(Boolean).map(l => JSON.parse(l))
        .find(r => r.operation === 'svid:issue' && r.enrolment.pod === `${pod.name}-0`)
      assert.deepEqual([record.decision, record.enrolment.attested_by, record.enrolment.spiffe_id], ['allow', 'token_review', pod.id])
      assert.deepEqual(fs.readdirSync(pod.root, { recursive: true }).filter(f => /key|\.crt|cert/.test(f)), [], 'no key and no certificate is on the disk')
      for (const shard of ['a', 'b']) {
        assert.deepEqual(await pod.ask('query', `search-docs-${shard}`, [[0.9, 0.1]], 2), [['east', 'north']])
        assert.deepEqual(await pod.ask('get', `search-docs-${shard}`, ['north']), [`north of ${shard}`])
      }
      await through(pod.node.name, pod)
    }
    for (const gateway of Object.values(m.gateways)) assert.doesNotMatch(gateway.process.log, /renew it/, 'a warning about what renews itself')
    assert.ok(m.records('a').every(r => r.workload !== undefined), 'a request without a workload')
    for (const [name, pod] of Object.entries(m.shards))
      assert.deepEqual((await new ChromaClient({ host: pod.address, port: PORT }).listCollections()).map(c => c.name), [`search-docs-${name}`])
  })

  test('a pod of another team is refused by policy, and does not see what there is', async () => {
    assert.deepEqual(await m.apps.billing.ask('list'), [])
    await assert.rejects(m.apps.billing.ask('open', 'search-docs-a'), { name: 'ChromaForbiddenError' })
    const record = await until('its record', () => m.records('a').find(r => r.workload === m.apps.billing.id && r.code === 'denied'))
    assert.equal(record.status, 403)
    await m.apps.billing.ask('add', 'billing-invoices', { ids: ['1'], embeddings: [[1, 0]], documents: ['invoice'] })
  })

  test('a direct connection from a pod to a shard is refused', async () => {
    for (const pod of Object.values(m.apps))
      for (const shard of Object.values(m.shards))
        for (const host of [shard.address, `${shard.name}.vectors.svc`]) await assert.rejects(pod.ask('direct', host, PORT), { code: 'ECONNREFUSED' })
    // Nor may the authority, which is nobody's gateway; the gateways may.
    assert.equal(m.reaches(m.authority, m.shards.a, PORT), false)
    for (const gateway of Object.values(m.gateways))
      for (const shard of Object.values(m.shards)) assert.equal(m.reaches(gateway, shard, PORT), true)
  })

  test('a pod without a certificate is let in nowhere, and metrics are not for pods', async () => {
    await assert.rejects(m.apps.a.ask('door', m.apps.a.node.address, 8443), /certificate|alert|ECONNRESET|socket hang up/i)
    for (const pod of [...Object.values(m.gateways), m.authority]) await assert.rejects(m.apps.a.ask('direct', pod.address, 9901), { code: 'ECONNREFUSED' })
  })

  test('a node\'s gateway gone: the pods of that node go on by the other node\'s, and come back', async () => {
    await m.kill(m.gateways.a)
    for (let i = 0; i < 5; i++) await search(m.apps.a)
    await through('b', m.apps.a)
    await m.startGateway('a')
    await through('a', m.apps.a)
  })

  test('revoked at the authority: refused on both nodes within two seconds, and let in again when that is lifted', async () => {
    const pods = [m.apps.a, m.apps.b]
    const refused = pod => search(pod).then(() => false, e => { assert.equal(e.name, 'ChromaForbiddenError'); return true })
    m.revoke('--workload', m.apps.a.id)
    const from = Date.now()
    for (const pod of pods) await until(`the refusal on node ${pod.node.name}`, () => refused(pod), 10000)
    const took = Date.now() - from
    assert.ok(took < 2000, `it took ${took} ms`)
    for (const node of ['a', 'b']) await until(`the record on node ${node}`, () => m.records(node).some(r => r.workload === m.apps.a.id && r.code === 'certificate_revoked'))
    m.revoke('--workload', m.apps.a.id, '--lift')
    for (const pod of pods) await until(`the way back on node ${pod.node.name}`, () => search(pod).then(() => true, () => false))
  })

  test('the authority down: all goes on, with what gateways and pods have; after it, all renews', async () => {
    await m.kill(m.authority)
    for (let i = 0; i < 3; i++) for (const pod of [m.apps.a, m.apps.b]) await search(pod)
    // A connection that is new, too: a node's gateway goes, and the other has not met these pods.
    await m.kill(m.gateways.b)
    await search(m.apps.b)
    await m.startAuthority()
    await m.startGateway('b')
    await through('b', m.apps.b)
    const before = m.apps.a.process
    await before.stop()
    await m.startConnect(m.apps.a)
    await search(m.apps.a)
  })
})
