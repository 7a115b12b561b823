// SPDX-License-Identifier: GPL-3.0-or-later
// The gateway's own certificate comes from the authority and renews itself, under requests, while the authority goes and comes back.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import tls from 'node:tls'
import { after, before, test } from 'node:test'
import { X509Certificate } from 'node:crypto'
import { authority, joinToken } from './lib/enrolment.mjs'
import { Authority } from './lib/ca.mjs'
import { temporary, until } from './lib/files.mjs'
import { NONE, World } from './lib/gateway.mjs'
import { Cluster } from './lib/kubernetes.mjs'
import { dumpLogs } from './lib/program.mjs'
import { Upstream } from './lib/upstream.mjs'

const LIFE = 15
let a, w, ca, folder, shard, client, cluster

// A gateway that enrols with what `enrol` says.
async function gateway(name, enrol) {
  const g = await World.make(name, {
    shards: [{ name: 'q', api: 'qdrant', endpoints: [shard.url] }], routes: [{ shard: 'q' }],
    change: { trust_domains: [{ name: 'example.org', bundle: ca.bundle }],
      listener: { tls: { enrol: { url: `https://localhost:${a.enrolment}`, ca: ca.bundle, dns: ['localhost'], ...enrol } } } }
  })
  g.config.listener.tls = { enrol: g.config.listener.tls.enrol }
  g.bundle = ca.bundlePem
  g.ca = ca
  g.save()
  return g
}

const presented = g => new Promise((resolve, reject) => {
  const socket = tls.connect({ host: '127.0.0.1', port: g.port, servername: 'localhost', ca: ca.bundlePem, cert: client.who.certPem, key: client.who.keyPem }, () => {
    resolve(new X509Certificate(socket.getPeerCertificate().raw))
    socket.destroy()
  }).on('error', reject)
})

before(async () => {
  folder = temporary('renewal')
  ca = new Authority(folder, 'example.org')
  shard = await Upstream.start()
  cluster = await Cluster.start(ca.issue('apiserver', { dns: ['localhost'] }))
  fs.writeFileSync(`${folder}/bearer`, cluster.bearer)
  a = await authority('renewal', {
    ca, lifetime: `${LIFE}s`,
    issuers: [{
      name: 'main', issuer: cluster.iss, uses: ['enrolment'], discovery: `${cluster.url}/.well-known/openid-configuration`, algorithms: ['RS256'], typ: 'none', audiences: ['sallyport'],
      scopes: NONE, max_lifetime: '2h', fetch: { bearer_token_file: `${folder}/bearer`, tls: { ca: ca.bundle } }
    }],
    clusters: [{ cluster: 'main', issuer: 'main', namespaces: ['sallyport'], dns: ['localhost'] }]
  })
  await a.start()
  fs.writeFileSync(`${folder}/join`, `${joinToken(ca, 'spiffe://example.org/gateway/one', { dns: ['localhost'] })}\n`)
  w = await gateway('renewal', { join_token_file: `${folder}/join`, state: `${folder}/state`, authority: 'spiffe://example.org/authority' })
  await w.start()
  client = await w.workload('client')
})

after(async () => {
  dumpLogs(a?.process, w?.process)
  await w?.stop()
  await a?.stop()
  await shard?.stop?.()
  cluster?.stop()
})

const expiry = async g => (await g.metrics()).sallyport_certificate_expiry_timestamp_seconds

test('a gateway that has no certificate gets one with a join token and serves with it', async () => {
  assert.equal((await client.get('/collections/docs')).status, 200)
  const certificate = await presented(w)
  assert.match(certificate.subjectAltName, /URI:spiffe:\/\/example.org\/gateway\/one, DNS:localhost/)
  assert.equal(await expiry(w), Math.round(new Date(certificate.validTo) / 1000))
  assert.equal(fs.statSync(`${folder}/state`).mode & 0o777, 0o700)
  assert.equal(fs.statSync(`${folder}/state/key.pem`).mode & 0o777, 0o600)
  assert.equal(fs.readFileSync(`${folder}/state/bundle.pem`, 'utf8'), ca.bundlePem)
})

test('it is renewed at two thirds of its life, with another key, under requests of which none fails; connections stay', async () => {
  const first = await presented(w)
  const kept = await client.get('/collections/docs')
  const beginning = Date.now()
  let requests = 0
  const fresh = await until('another certificate', async () => {
    const other = await w.workload('client', { who: client.who, keys: client.keys, token: client.token })
    const answers = await Promise.all([client.get('/collections/docs'), other.get('/collections/docs')])
    other.close()
    assert.deepEqual(answers.map(x => x.status), [200, 200])
    assert.equal(answers[0].socket, kept.socket)
    requests += 2
    const now = await presented(w)
    return now.serialNumber !== first.serialNumber && now
  }, LIFE * 1000)
  assert.ok(requests > 0)
  assert.ok(Date.now() - beginning < LIFE * 1000)
  assert.notDeepEqual(fresh.publicKey.export({ format: 'jwk' }), first.publicKey.export({ format: 'jwk' }))
  assert.equal((await client.get('/collections/docs')).socket, kept.socket)
  await until('its record', () => a.records().some(r => r.enrolment?.attested_by === 'certificate' && r.decision === 'allow'))
})

test('while the authority is down the gateway goes on with what it has, says so, and catches up; also after kill -9', async () => {
  a.process.kill('SIGKILL')
  await a.process.ended
  await until('the warning', () => /no new certificate: .*good for another \d+ s/.test(w.process.log), LIFE * 1000)
  assert.equal((await client.get('/collections/docs')).status, 200)
  const before = await presented(w)
  await a.start()
  const next = await until('the next certificate', async () => {
    const now = await presented(w).catch(() => undefined)
    return now && now.serialNumber !== before.serialNumber && now
  }, LIFE * 1000)
  assert.ok(new Date(next.validTo) > new Date(before.validTo))
  assert.equal((await client.get('/collections/docs')).status, 200)
})

test('a restart goes on with what was written, and needs no second join token', async () => {
  await w.stop()
  fs.writeFileSync(`${folder}/join`, 'spent\n')
  await w.start()
  client = await w.workload('client', { who: client.who, keys: client.keys, token: client.token })
  assert.equal((await client.get('/collections/docs')).status, 200)
  await w.stop()
})

test('another gateway enrols with the token of its pod, which is read again at each use, and writes nothing', async t => {
  const file = `${folder}/projected`
  const g = await gateway('renewal-pod', { token_file: file })
  t.after(() => g.stop())
  const starting = g.start()
  await until('that it waits', () => /there is no certificate|no certificate: .*there is no token in it/.test(g.process?.log ?? ''))
  fs.writeFileSync(file, await cluster.token({ namespace: 'sallyport', account: 'gateway' }))
  await starting
  client = await g.workload('client', { who: client.who })
  assert.equal((await client.get('/collections/docs')).status, 200)
  const first = await presented(g)
  assert.match(first.subjectAltName, /URI:spiffe:\/\/example.org\/ns\/sallyport\/sa\/gateway/)
  fs.writeFileSync(file, await cluster.token({ namespace: 'sallyport', account: 'gateway', pod: { name: 'gateway-later' } }))
  await until('another certificate', async () => (await presented(g)).serialNumber !== first.serialNumber, LIFE * 1000)
  await until('its record', () => a.records().some(r => r.enrolment?.pod === 'gateway-later'))
})
