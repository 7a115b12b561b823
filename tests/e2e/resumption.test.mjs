// SPDX-License-Identifier: GPL-3.0-or-later
// TLS as clients other than ours speak it: sessions that are resumed without a certificate on the wire, versions, groups, ALPN.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { after, before, beforeEach, test } from 'node:test'
import { OpenSslAuthority } from './lib/ca.mjs'
import { nothingReaches } from './lib/expect.mjs'
import { replace, sallyport, until } from './lib/files.mjs'
import { World } from './lib/gateway.mjs'
import { dumpLogs, must, run, runBeside } from './lib/program.mjs'
import { Upstream } from './lib/upstream.mjs'

const DOCS = '/collections/docs'
let w, shard, client, base

before(async () => {
  shard = await Upstream.start()
  w = await World.make('resumption', { shards: [{ name: 'one', api: 'qdrant', endpoints: [shard.url] }], routes: [{ shard: 'one' }] })
  fs.writeFileSync(w.at('crl.pem'), w.ca.crl())
  fs.copyFileSync(w.ca.bundle, w.at('bundle.pem'))
  w.config.trust_domains[0].crls = [w.at('crl.pem')]
  w.config.trust_domains[0].bundle = w.at('bundle.pem')
  base = structuredClone(w.config)
  w.save()
  await w.start()
  client = await w.workload('client')
})

beforeEach(() => { w.config = structuredClone(base) })

after(async () => {
  dumpLogs(w?.process)
  await w?.stop()
  await shard?.stop()
})

// One request on a connection of its own; gives the answer, whether the session was resumed, and the session for the next.
async function once(c, { session, ...options } = {}) {
  const raw = await c.open({ session, ...options })
  let next
  raw.socket.on('session', s => { next = s })
  raw.send(await c.head('GET', DOCS))
  const answer = await raw.response()
  const found = { answer, resumed: raw.socket.isSessionReused(), session: next ?? session, version: raw.socket.getProtocol(), alpn: raw.socket.alpnProtocol, group: raw.socket.getEphemeralKeyInfo() }
  raw.close()
  return found
}

async function withConfig(change, what) {
  change(w.config)
  w.save()
  assert.ok(await w.reload())
  try {
    return await what()
  } finally {
    w.config = structuredClone(base)
    w.save()
    assert.ok(await w.reload())
  }
}

test('a resumed session keeps its workload, and says that it was resumed', async () => {
  const first = await once(client)
  assert.equal(first.answer.status, 200)
  assert.equal(first.resumed, false)
  assert.ok(first.session, 'a ticket came')
  let { session } = first
  for (let i = 0; i < 3; i++) { // with the ticket of the resumed session, too
    const again = await once(client, { session })
    assert.equal(again.answer.status, 200, again.answer.body)
    assert.equal(again.resumed, true)
    const record = await w.record(again.answer.headers['x-request-id'])
    assert.equal(record.workload, client.who.id)
    assert.equal(record.inputs[0].context.tls.resumed, true)
    session = again.session
  }
  const metrics = await w.metrics()
  assert.ok(Object.entries(metrics).some(([name, n]) => /resumed/.test(name) && n >= 3), 'it is counted')
})

test('a session resumed under another certificate is still its first workload', async () => {
  const { session } = await once(client)
  const other = await w.workload('other')
  const found = await once(other, { session })
  assert.equal(found.resumed, true)
  assert.equal(found.answer.status, 401)
  assert.equal(found.answer.json.code, 'token_not_yours')
  assert.equal((await w.record(found.answer.headers['x-request-id'])).workload, client.who.id)
})

test('a session of a revoked certificate is not resumed, and the full handshake is refused', async () => {
  const who = w.ca.issue('client', { out: 'revoked' })
  const revoked = await w.workload('client', { who })
  const { session } = await once(revoked)
  assert.equal((await once(revoked, { session })).resumed, true)
  w.ca.revoke(who)
  replace(w.at('crl.pem'), w.ca.crl())
  assert.ok(await w.reload())
  assert.notEqual(await nothingReaches(shard, () => revoked.handshake({ session })), 'open')
  assert.equal((await once(client)).answer.status, 200)
})

test('after a change of the bundle there is a full handshake, and the ticket of a CA that is gone brings nobody back', async () => {
  const { session } = await once(client)
  const another = new OpenSslAuthority(w.folder, 'example.org')
  replace(w.at('bundle.pem'), w.ca.bundlePem + another.bundlePem)
  assert.ok(await w.reload())
  const full = await once(client, { session })
  assert.equal(full.answer.status, 200)
  assert.equal(full.resumed, false)
  const stranger = await w.workload('client', { who: another.issue('client') })
  const { session: foreign } = await once(stranger)
  replace(w.at('bundle.pem'), w.ca.bundlePem)
  assert.ok(await w.reload())
  assert.notEqual(await nothingReaches(shard, () => stranger.handshake({ session: foreign })), 'open')
})

test('a ticket never outlives its certificate', async () => {
  const end = new Date(Math.ceil(Date.now() / 1000) * 1000 + 2000)
  const authority = new OpenSslAuthority(w.at('ca-example.org'), 'example.org')
  replace(w.at('bundle.pem'), w.ca.bundlePem + authority.bundlePem)
  assert.ok(await w.reload())
  const short = await w.workload('client', { who: authority.issue('client', { out: 'short', not: [new Date(Date.now() - 60000), end] }) })
  const { session } = await once(short)
  await until('notAfter', () => Date.now() > end.getTime() + 1000)
  assert.notEqual(await nothingReaches(shard, () => short.handshake({ session })), 'open')
  replace(w.at('bundle.pem'), w.ca.bundlePem)
  assert.ok(await w.reload())
})

test('without tickets every handshake is a full one', () => withConfig(c => { c.listener.tls.tickets = { enabled: false } }, async () => {
  const { session } = await once(client)
  if (session) assert.equal((await once(client, { session })).resumed, false)
}))

test('a spoilt ticket makes a full handshake', async () => {
  const { session } = await once(client)
  for (let at = 0; at < session.length; at += Math.ceil(session.length / 12)) {
    const spoilt = Buffer.from(session)
    spoilt[at] ^= 0x55
    let found
    try {
      found = await once(client, { session: spoilt })
    } catch (error) {
      continue // node itself may find it unreadable; the gateway must only not take it
    }
    if (found.resumed) assert.equal((await w.record(found.answer.headers['x-request-id'])).workload, client.who.id)
  }
})

test('after a restart an old ticket makes a full handshake', async () => {
  const { session } = await once(client)
  await w.process.stop()
  await w.start()
  const found = await once(client, { session })
  assert.equal(found.resumed, false)
  assert.equal(found.answer.status, 200)
})

test('TLS 1.2 and older are refused', async () => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.1']) {
    assert.match(await nothingReaches(shard, () => client.handshake({ minVersion: maxVersion, maxVersion, ciphers: 'DEFAULT:@SECLEVEL=0' })), /PROTOCOL_VERSION|HANDSHAKE_FAILURE|NO_PROTOCOLS|UNSUPPORTED_PROTOCOL/)
  }
})

test('TLS 1.2 where it is configured: with a certificate, never without, and never resumed', () => withConfig(c => { c.listener.tls.min_version = 'tls1.2' }, async () => {
  const only = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' }
  const first = await once(client, only)
  assert.equal(first.version, 'TLSv1.2')
  assert.equal(first.answer.status, 200)
  assert.equal((await once(client, { ...only, session: first.session })).resumed, false)
  assert.notEqual(await client.handshake({ ...only, cert: undefined, key: undefined }), 'open')
  assert.equal((await once(client)).version, 'TLSv1.3')
}))

test('the group is X25519 for who has no post-quantum one, and another only where it is configured', async () => {
  const found = await once(client, { ecdhCurve: 'X25519:P-256' })
  assert.equal((await w.record(found.answer.headers['x-request-id'])).inputs[0].context.tls.group, 'X25519')
  assert.match(await nothingReaches(shard, () => client.handshake({ ecdhCurve: 'P-256' })), /HANDSHAKE_FAILURE|ILLEGAL_PARAMETER|BAD_KEY_SHARE/)
  await withConfig(c => { c.listener.tls.groups = ['secp256r1', 'X25519'] }, async () => {
    assert.equal((await once(client, { ecdhCurve: 'P-256' })).answer.status, 200)
  })
})

test('with OpenSSL the group is X25519MLKEM768', async t => {
  if (!run('openssl', ['list', '-tls-groups']).out.includes('X25519MLKEM768')) return t.skip('this OpenSSL has no X25519MLKEM768; 3.5 has')
  const { out } = await runBeside('openssl', ['s_client', '-connect', `127.0.0.1:${w.port}`, '-groups', 'X25519MLKEM768', '-cert', client.who.cert, '-key', client.who.key, '-CAfile', w.ca.bundle], { input: '' })
  assert.match(out, /X25519MLKEM768/)
})

test('with `sallyport call` the group is X25519MLKEM768', async () => {
  must(sallyport, ['token', 'keygen', '--out', w.at('dpop.pem'), '--no-passphrase'])
  const jwk = JSON.parse(fs.readFileSync(w.at('dpop.jwks.json'))).keys[0]
  fs.writeFileSync(w.at('token'), await w.issuer.mint({ workload: client.who.id, cnf: { jkt: jwk.kid } }))
  const proven = await runBeside(sallyport, ['call', '--include', '--ca', w.ca.bundle, '--spiffe-id', w.server.id, '--cert', client.who.cert, '--key', client.who.key, '--token', `@${w.at('token')}`,
    '--dpop-key', w.at('dpop.pem'), `https://localhost:${w.port}${DOCS}`])
  assert.equal(proven.status, 0, proven.out + proven.err)
  const allowed = await w.record(proven.out.match(/x-request-id: (\w+)/)[1])
  assert.match(allowed.inputs[0].context.tls.group, /X25519.*ML_?KEM_?768/i)
})

test('ALPN: http/1.1 is chosen, nothing else is', async () => {
  assert.equal((await once(client, { ALPNProtocols: ['h2', 'http/1.1'] })).alpn, 'http/1.1')
  assert.match(await nothingReaches(shard, () => client.handshake({ ALPNProtocols: ['h2'] })), /NO_APPLICATION_PROTOCOL/)
  assert.equal((await once(client, { ALPNProtocols: [] })).answer.status, 200, 'a client that asks for nothing gets HTTP/1.1')
})

test('a client that speaks no TLS gets nothing', async () => {
  const net = await import('node:net')
  const got = await nothingReaches(shard, () => new Promise(resolve => {
    let bytes = ''
    const socket = net.connect(w.port, '127.0.0.1', () => socket.write(`GET ${DOCS} HTTP/1.1\r\nHost: localhost:${w.port}\r\n\r\n`))
    socket.on('data', d => { bytes += d.toString('latin1') }).on('close', () => resolve(bytes)).on('error', () => {}).on('end', () => socket.end())
  }))
  assert.doesNotMatch(got, /HTTP/)
})
