// SPDX-License-Identifier: GPL-3.0-or-later
// The cluster of mesh.mjs under a load of unmodified clients while everything in it changes: certificates of pods and gateways, tokens, the gateway's program,
// and what runs at all. No answer may be wrong, and a request may fail for two reasons only: its shard was down, or the gateway that had it was killed.
//
//   SALLYPORT_ENDURANCE_SECONDS  how long; 25 without it. From 120 on certificates live 15 s (and are renewed every 10), tokens 22 (15); before, 10 and 10
import assert from 'node:assert/strict'
import { ChromaClient } from 'chromadb'
import { after, before, describe, test } from 'node:test'
import { sanitised, sleep, until } from './lib/files.mjs'
import { helmProgram } from './lib/helm.mjs'
import { Mesh, PORT } from './lib/mesh.mjs'
import { missing } from './lib/netns.mjs'
import { dumpLogs } from './lib/program.mjs'

const SECONDS = Number(process.env.SALLYPORT_ENDURANCE_SECONDS ?? 25)
const LONG = SECONDS >= 120
const LIFE = LONG ? { certificate: 15, token: 22 } : { certificate: 10, token: 10 }
const ROUND = 45 // seconds, in which each of the three things happens once
// How long after a shard is back a gateway may not know it: one that refused is asked again after 100 ms; one that was away for so long that checks
// found it, once a second (docs/shards.md).
const unaware = ({ from, to }) => to - from < 2000 ? 250 : 1500
const skip = missing() ?? (!helmProgram() && 'the npm package has helm for x86-64 only')

const distinct = (records, key) => new Set(records.map(r => r[key]).filter(Boolean)).size
const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))]

describe('a day of a cluster, in short', { skip, timeout: (SECONDS + 180) * 1000 }, () => {
  let m, results
  const downs = [] // { shard, from, to }
  const kills = [] // { node, from, to }

  before(async () => {
    m = await Mesh.make('endurance', {
      values: {
        gateway: { config: { process: { handover: '/var/lib/sallyport/handover.sock' } } },
        authority: { enrolment: { lifetime: `${LIFE.certificate}s` }, config: { authority: { lifetime: `${LIFE.token}s` } } }
      }
    })
    await m.start()
  })

  after(async () => {
    dumpLogs(...m?.logs ?? [])
    await m?.stop()
  })

  async function restartShard(name) {
    const down = { shard: name, from: Date.now(), to: Infinity }
    downs.push(down)
    await m.shards[name].process.stop()
    await m.startShard(name)
    down.to = Date.now()
  }

  async function killGateway(node) {
    const kill = { node, from: Date.now() }
    kills.push(kill)
    await m.kill(m.gateways[node])
    kill.to = Date.now()
    await sleep(1000)
    await m.startGateway(node)
  }

  test('no answer is wrong, and none fails but for its shard\'s downtime and what a killed process had', async t => {
    const pods = [m.apps.a, m.apps.b]
    const begun = Date.now(), end = begun + SECONDS * 1000
    for (const pod of pods) await pod.ask('load', ['a', 'b'], 4, sanitised ? 100 : 25)
    const at = async seconds => {
      const before = await Promise.all(pods.map(p => p.ask('progress')))
      await sleep(Math.max(0, begun + seconds * 1000 - Date.now()))
      for (const [i, pod] of pods.entries()) await until(`requests of ${pod.name}`, async () => await pod.ask('progress') > before[i], 30000)
    }
    const round = Math.min(ROUND, SECONDS)
    for (let k = 0; (k + 1) * round <= SECONDS; k++) {
      const [one, other] = k % 2 ? ['b', 'a'] : ['a', 'b'], start = k * round
      await at(start + round * 0.12)
      await m.upgradeGateway(one)
      await at(start + round * 0.4)
      await killGateway(other)
      await at(start + round * 0.68)
      await restartShard(other)
    }
    await sleep(Math.max(0, end - Date.now()))
    results = await Promise.all(pods.map(pod => pod.ask('unload')))

    const overlaps = (f, x) => f.from <= x.to && f.to >= x.from
    const failures = results.flatMap((r, i) => r.failures.map(f => ({ pod: pods[i].name, ...f })))
    const down = failures.filter(f => downs.some(d => d.shard === f.shard && overlaps(f, { from: d.from, to: d.to + unaware(d) })))
    const late = Math.max(0, ...down.map(f => f.from - Math.max(...downs.filter(d => d.shard === f.shard && d.from <= f.to).map(d => d.to))))
    const flight = failures.filter(f => !down.includes(f) && kills.some(k => overlaps(f, k)))
    const others = failures.filter(f => !down.includes(f) && !flight.includes(f))
    const latencies = results.flatMap(r => r.latencies).sort((a, b) => a - b)
    const records = ['a', 'b'].flatMap(n => m.records(n))
    const of = pod => records.filter(r => r.remote?.startsWith(`${pod.address}:`) && r.status < 300)
    t.diagnostic(`${results.reduce((n, r) => n + r.done, 0)} requests in ${Math.round((Date.now() - begun) / 1000)} s; ${down.length} failed while their shard was down (${downs.map(d => `${d.to - d.from} ms`).join(', ')}; the last ${late} ms after), ` +
      `${flight.length} with a killed gateway (${kills.length} kills), ${others.length} otherwise; latency ms p50 ${quantile(latencies, 0.5)}, p99 ${quantile(latencies, 0.99)}, most ${latencies.at(-1)}`)
    t.diagnostic(`${m.upgrades} upgrades; ` + pods.map(p => `${p.name}: ${distinct(of(p), 'certificate_serial')} certificates, ${distinct(of(p), 'jti')} tokens`).join('; '))

    assert.deepEqual(results.flatMap(r => r.wrong), [], 'wrong answers')
    const since = f => [...downs.map(d => [`shard ${d.shard} down`, d.from, d.to]), ...kills.map(k => [`gateway ${k.node} killed`, k.from, k.to])].map(([what, from, to]) => `${what} ${f.from - from} ms before, ${f.from - to} after`)
    assert.deepEqual(others.map(f => ({ ...f, since: since(f) })), [], 'failures for no reason')
    for (const pod of pods) {
      assert.ok(distinct(of(pod), 'certificate_serial') >= SECONDS / LIFE.certificate, `${pod.name} did not renew its certificate`)
      assert.ok(distinct(of(pod), 'jti') >= SECONDS / LIFE.token, `${pod.name} did not renew its token`)
    }
    for (const pod of Object.values(m.gateways)) assert.ok(m.processes.filter(p => p.name === `gateway ${pod.node.name}`).reduce((n, p) => n + p.log.split('enrolment: certificate').length - 1, 0) >= SECONDS / LIFE.certificate, `${pod.name} did not renew its certificate`)
  })

  test('what was written is there, and nothing else: through the other pod, and on the shard itself', async () => {
    const pods = [m.apps.a, m.apps.b]
    for (const [i, { written }] of results.entries()) {
      for (const [name, records] of Object.entries(written)) {
        const shard = m.shards[name.at(-1)]
        const all = await (await new ChromaClient({ host: shard.address, port: PORT }).getCollection({ name, embeddingFunction: null })).get({ include: ['documents'], limit: 1000 })
        const found = new Map(all.ids.map((id, j) => [Number(id), all.documents[j]]))
        for (const [n, documents] of records) assert.ok(documents.includes(found.get(n) ?? null), `${name} ${n}: ${found.get(n)} instead of ${documents}`)
        assert.ok([...found.keys()].every(n => records.some(([k]) => k === n)), `${name} has records that nobody wrote`)
        const ids = records.filter(([, documents]) => !documents.includes(null)).map(([n]) => `${n}`)
        const through = await pods[1 - i].ask('documents', name, ids)
        for (const id of ids) assert.equal(through[id], found.get(Number(id)))
      }
    }
  })
})
