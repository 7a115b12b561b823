// SPDX-License-Identifier: GPL-3.0-or-later
// A day in operations, under load, and not one request fails: reloads, a certificate that is swapped, and a gateway that is replaced as Kubernetes does it.
// (One process that takes over from another: handover.test.mjs.)
import assert from 'node:assert/strict'
import net from 'node:net'
import { after, before, test } from 'node:test'
import { Connect } from './lib/connect.mjs'
import { port, replace, sallyport, sleep, until } from './lib/files.mjs'
import { merge, OPEN, World, yaml } from './lib/gateway.mjs'
import { again, underLoad } from './lib/load.mjs'
import { plain } from './lib/client.mjs'
import { dumpLogs, start } from './lib/program.mjs'
import { boundToCertificate } from './lib/token.mjs'
import { Upstream } from './lib/upstream.mjs'

const DOCS = '/collections/docs'
const pods = []
let w, shard, service, clients, local

// What a Service is to connections: each new one goes to one of the endpoints there are, and stays there.
class Service {
  static async start(at) {
    const s = new Service()
    s.endpoints = []
    s.next = 0
    s.server = net.createServer({ allowHalfOpen: true }, from => {
      const to = net.connect({ port: s.endpoints[s.next++ % s.endpoints.length], host: '127.0.0.1', allowHalfOpen: true })
      from.pipe(to).pipe(from)
      for (const [a, b] of [[from, to], [to, from]]) a.on('error', () => b.destroy()).on('close', () => b.destroy())
    })
    await new Promise(resolve => s.server.listen(at, '127.0.0.1', resolve))
    return s
  }
}

// A gateway behind the Service, ready.
async function pod() {
  const number = pods.length + 1
  const p = { listen: await port(), operations: await port() }
  const file = w.at(`pod-${number}.yaml`)
  const config = merge(w.config, {
    listener: { addresses: [`127.0.0.1:${p.listen}`] },
    operations: { listen: `127.0.0.1:${p.operations}` },
    audit: { file: w.at(`audit-${number}.jsonl`) }
  })
  replace(file, yaml({ ...config, shards: config.shards.map(s => ({ health: { interval: '0s' }, filter_checks: false, ...s })) }).trimStart())
  p.process = start(`pod ${number}`, sallyport, ['run', '--config', file])
  pods.push(p)
  await until('the pod to be ready', () => plain(p.operations, '/readyz').then(r => r.status === 200 && /listening on/.test(p.process.log), () => false), 30000)
  const second = Math.floor(Date.now() / 1000)
  await until('the next second', () => Math.floor(Date.now() / 1000) > second)
  return p
}

before(async () => {
  shard = await Upstream.start()
  w = await World.make('uninterrupted', { shards: [{ name: 'one', api: 'qdrant', endpoints: [shard.url] }], routes: [{ shard: 'one' }] })
  w.config.issuers[0].binding = 'either'
  service = await Service.start(w.port)
  const first = await pod()
  service.endpoints = [first.listen]
  clients = await Promise.all([1, 2, 3, 4].map(i => w.workload(`load-${i}`)))
  // Two more callers that know nothing of it, through `connect`.
  const who = w.ca.issue('local')
  const file = w.at('local.token')
  replace(file, await w.issuer.mint({ workload: who.id, cnf: boundToCertificate(who.certPem) }))
  local = await Connect.start('local', { who, gateways: [w], change: { connect: { binding: 'certificate', token: { file } } } })
  for (let i = 0; i < 2; i++) clients.splice(2 * i, 0, { get: path => local.request('GET', path) })
})

after(async () => {
  dumpLogs(local?.process, ...pods.map(p => p.process))
  for (const c of w?.clients ?? []) c.close()
  await local?.stop()
  for (const p of pods) await p.process.stop()
  service?.server.close()
  await shard?.stop()
})

const reloads = async p => Number(/^sallyport_reloads_total{result="ok"} (\d+)/m.exec((await plain(p.operations, '/metrics')).text)[1])

// The newest pod reads again what changed. (Looked at while a certificate is there and its key is not, it is refused, and looked at again.)
async function reload(how) {
  const p = pods.at(-1)
  const before = await reloads(p)
  how()
  p.process.kill('SIGHUP')
  await until('the reload', async () => await reloads(p) > before)
}

// Something again and again, under load.
async function uninterrupted(t, step) {
  let times
  const { failures, count } = await underLoad(w, clients, DOCS, async () => { times = await again(step) })
  t.diagnostic(`${count} requests, ${times} times`)
  assert.deepEqual(failures, [])
  assert.ok(count > times)
}

test('policies that change, again and again', { timeout: 200000 }, t =>
  uninterrupted(t, i => reload(() => replace(w.at('policy.cedar'), `${OPEN}// ${i}\n`))))

test('the gateway\'s certificate, again and again', { timeout: 200000 }, t =>
  uninterrupted(t, () => reload(() => w.ca.issue('gateway', { dns: ['localhost'] })))) // over the same files

test('a gateway that is replaced: surge, then drain', { timeout: 400000 }, t => uninterrupted(t, async () => {
  const old = pods.at(-1)
  const next = await pod()
  service.endpoints = [next.listen]
  await sleep(200) // preStop: until every node knows
  old.process.kill('SIGTERM')
  const told = Date.now()
  await until('the old one to end', () => old.process.over, 60000)
  t.diagnostic(`drained in ${Date.now() - told} ms`)
  assert.deepEqual([old.process.code, old.process.signal], [0, null])
}))
