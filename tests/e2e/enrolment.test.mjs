// SPDX-License-Identifier: GPL-3.0-or-later
// Where workloads get their certificates: what is believed, what is refused, what is written down.
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import fs from 'node:fs'
import { after, before, test } from 'node:test'
import { AUDIENCE, authority, enrol, joinToken, request } from './lib/enrolment.mjs'
import { Authority } from './lib/ca.mjs'
import { sallyport, temporary, until } from './lib/files.mjs'
import { NONE, World } from './lib/gateway.mjs'
import { Cluster } from './lib/kubernetes.mjs'
import { dumpLogs, run } from './lib/program.mjs'
import { Upstream } from './lib/upstream.mjs'

let main, other, a, ca, folder
const csr = options => request(folder, options)

before(async () => {
  folder = temporary('enrolment')
  ca = new Authority(folder, 'example.org')
  const server = ca.issue('apiserver', { dns: ['localhost'] })
  main = await Cluster.start(server)
  other = await Cluster.start(server, { iss: 'https://other.example' })
  for (const [name, cluster] of [['main', main], ['other', other]]) fs.writeFileSync(`${folder}/${name}.token`, `${cluster.bearer}\n`)
  a = await authority('enrolment', {
    ca,
    issuers: [{
      name: 'main', issuer: main.iss, uses: ['enrolment'], jwks_url: `${main.url}/openid/v1/jwks`, algorithms: ['RS256'], typ: 'none', audiences: [AUDIENCE],
      scopes: NONE, max_lifetime: '2h', fetch: { bearer_token_file: `${folder}/main.token`, tls: { ca: ca.bundle } }
    }],
    clusters: [
      { cluster: 'main', issuer: 'main', namespaces: ['rag', 'team-*'], service_accounts: ['search', 'ingest'], dns: ['{service_account}.{namespace}.svc'] },
      {
        cluster: 'other', namespaces: ['rag'], id: 'spiffe://example.org/cluster/{cluster}/ns/{namespace}/sa/{service_account}',
        token_review: { url: other.url, issuer: other.iss, audience: AUDIENCE, bearer_token_file: `${folder}/other.token`, tls: { ca: ca.bundle } }
      }
    ],
    policies: `@id("main") permit (principal in KubernetesCluster::"main", action == Action::"svid:issue", resource) when { context.derived || resource.path like "/extra/*" };
@id("not-ingest") forbid (principal == ServiceAccount::"main/team-a/ingest", action, resource);
@id("other") permit (principal in KubernetesNamespace::"other/rag", action == Action::"svid:issue", resource) when { principal has pod_uid };
@id("joined") permit (principal is JoinToken, action == Action::"svid:issue", resource);
@id("renewed") permit (principal is Workload, action == Action::"svid:issue", resource);
`
  })
  await a.start()
  // The keys are fetched once the process runs.
  await until('the keys', () => main.calls.includes('GET /openid/v1/jwks'))
})

after(async () => {
  dumpLogs(a?.process)
  await a?.stop()
  main?.stop()
  other?.stop()
})

const refused = async (options, status, code, error) => {
  const answer = await enrol(a, options)
  assert.deepEqual([answer.status, answer.code], [status, code], answer.text)
  const record = await a.record(answer.headers['x-request-id'])
  assert.deepEqual([record.decision, record.error, record.api, record.operation], ['deny', error, 'enrolment', 'svid:issue'])
  return record
}

test('the configuration is good, and the files that it names', () => {
  const checked = run(sallyport, ['check', '--config', a.file])
  assert.equal(checked.status, 0, checked.out + checked.err)
})

test('a pod with its projected token gets a certificate, and the gateway lets it in', async t => {
  const shard = await Upstream.start()
  const w = await World.make('enrolled', { shards: [{ name: 'q', api: 'qdrant', endpoints: [shard.url] }], routes: [{ shard: 'q' }],
    change: { trust_domains: [{ name: 'example.org', bundle: ca.bundle }] } })
  t.after(async () => { await w.stop(); await shard.stop() })
  await w.start()
  const token = await main.token()
  const answer = await enrol(a, { token, csr: csr() })
  assert.equal(answer.status, 200, answer.text)
  assert.equal(answer.json.spiffe_id, 'spiffe://example.org/ns/rag/sa/search')
  const certificate = new X509Certificate(answer.json.certificate)
  assert.match(certificate.subjectAltName, /^URI:spiffe:\/\/example.org\/ns\/rag\/sa\/search$/)
  assert.equal(Math.round(new Date(certificate.validTo) / 1000), answer.json.not_after)
  assert.ok(Math.abs(answer.json.renew_after - (Date.now() / 1000 + 2400)) < 60)
  assert.equal(answer.json.bundle, ca.bundlePem)
  const client = await w.workload('enrolled', { who: answer.who })
  assert.equal((await client.get('/collections/docs')).status, 200)
  const record = await a.record(answer.headers['x-request-id'])
  assert.equal(record.decision, 'allow')
  assert.equal(record.subject, 'system:serviceaccount:rag:search')
  assert.deepEqual(record.policies, ['main'])
  assert.equal(record.enrolment.serial, answer.json.serial)
  assert.deepEqual([record.enrolment.attested_by, record.enrolment.cluster, record.enrolment.pod], ['service_account_token', 'main', 'search-7d4b9c-x2x'])
  assert.match(record.enrolment.pod_uid, /^[0-9a-f-]{36}$/)
  assert.ok(!fs.readFileSync(a.audit, 'utf8').includes(token.split('.')[2]))
  assert.ok(!a.process.log.includes(token.split('.')[2]))
  const listed = JSON.parse(run(sallyport, ['ca', 'list', '--dir', ca.dir, '--json']).out)
  assert.ok(listed.some(c => c.serial === answer.json.serial))
  // The kubelet's token may be used again within its life.
  assert.equal((await enrol(a, { token, csr: csr() })).status, 200)
})

test('another ID than the derived one is for the policy to permit', async () => {
  const extra = await enrol(a, { token: await main.token(), csr: csr({ san: ['URI:spiffe://example.org/extra/tool'] }) })
  assert.equal(extra.json.spiffe_id, 'spiffe://example.org/extra/tool')
  await refused({ token: await main.token(), csr: csr({ san: ['URI:spiffe://example.org/gateway'] }) }, 403, 'denied', 'POLICY_NO_PERMIT')
  await refused({ token: await main.token({ namespace: 'team-a', account: 'ingest' }), csr: csr() }, 403, 'denied', 'POLICY_FORBID')
  await refused({ token: await main.token(), csr: csr({ san: ['URI:spiffe://elsewhere.org/ns/rag/sa/search'] }) }, 403, 'csr_name', 'CSR_NAME')
})

test('a DNS name is for whom the configuration lets have it', async () => {
  const answer = await enrol(a, { token: await main.token(), csr: csr({ san: ['DNS:search.rag.svc'] }) })
  assert.match(new X509Certificate(answer.json.certificate).subjectAltName, /DNS:search.rag.svc/)
  await refused({ token: await main.token(), csr: csr({ san: ['DNS:ingest.rag.svc'] }) }, 403, 'csr_name', 'CSR_NAME')
})

test('tokens that are not a pod\'s for us are refused, each for its reason', async () => {
  const now = Math.floor(Date.now() / 1000)
  const stranger = await Cluster.start(ca.issue('stranger', { dns: ['localhost'] }), { iss: main.iss })
  stranger.stop()
  const kid = main.key.kid
  for (const [token, status, code, error] of [
    [undefined, 401, 'credential_missing', 'ENROL_CREDENTIAL'],
    ['nothing', 401, 'token_invalid', 'TOKEN_MALFORMED'],
    [await main.token({ audience: 'https://kubernetes.default.svc' }), 401, 'token_invalid', 'TOKEN_AUDIENCE'],
    [await main.token({ issued: now - 4000 }), 401, 'token_expired', 'TOKEN_EXPIRED'],
    [await main.token({ ttl: 86400 }), 401, 'token_invalid', 'TOKEN_LIFETIME'],
    [await main.token({ namespace: 'kube-system' }), 403, 'attestation', 'ENROL_ACCOUNT'],
    [await main.token({ account: 'default' }), 403, 'attestation', 'ENROL_ACCOUNT'],
    [await main.token({ pod: null }), 403, 'attestation', 'ENROL_POD'],
    [await main.token({ claims: { sub: 'system:serviceaccount:rag:ingest' } }), 401, 'credential_invalid', 'ENROL_CLAIMS'],
    [await main.token({ claims: { 'kubernetes.io': undefined } }), 401, 'credential_invalid', 'ENROL_CLAIMS'],
    [await stranger.token({ key: { ...stranger.key, kid } }), 401, 'token_invalid', 'TOKEN_SIGNATURE']
  ]) await refused({ token, csr: csr() }, status, code, error)
})

test('requests that ask for more than a name are refused', async () => {
  const good = csr()
  const token = await main.token()
  const der = Buffer.from(good.pem.replace(/-----.*-----|\s/g, ''), 'base64')
  der[der.length - 3] ^= 1
  for (const [options, status, code, error] of [
    [{ extensions: ['basicConstraints=critical,CA:TRUE'] }, 403, 'csr_refused', 'CSR_EXTENSION'],
    [{ extensions: ['keyUsage=keyCertSign'] }, 403, 'csr_refused', 'CSR_EXTENSION'],
    [{ extensions: ['nameConstraints=permitted;DNS:.example'] }, 403, 'csr_refused', 'CSR_EXTENSION'],
    [{ extensions: ['extendedKeyUsage=clientAuth,codeSigning'] }, 403, 'csr_refused', 'CSR_EXTENSION'],
    [{ san: ['IP:10.0.0.1'] }, 403, 'csr_name', 'CSR_NAME'],
    [{ san: ['email:a@example.org'] }, 403, 'csr_name', 'CSR_NAME'],
    [{ san: ['URI:spiffe://example.org/ns/rag/sa/search', 'URI:spiffe://example.org/gateway'] }, 403, 'csr_name', 'CSR_NAME']
  ]) await refused({ token, csr: csr(options) }, status, code, error)
  await refused({ token, csr: good, body: der }, 400, 'csr_invalid', 'CSR_INVALID')
  await refused({ token, csr: good, body: 'no request' }, 400, 'csr_invalid', 'CSR_INVALID')
  // Nobody's request is not even read.
  await refused({ csr: good, body: 'no request' }, 401, 'credential_missing', 'ENROL_CREDENTIAL')
  assert.equal((await enrol(a, { token, csr: good, body: 'x'.repeat(70000) })).status, 413)
})

test('a cluster is asked about its own tokens, and knows of pods that are gone', async () => {
  const pod = { uid: 'b5a9a6b2-58a8-4d2c-9d1e-000000000001' }
  const token = await other.token({ pod })
  const answer = await enrol(a, { token, csr: csr() })
  assert.equal(answer.json?.spiffe_id, 'spiffe://example.org/cluster/other/ns/rag/sa/search', answer.text)
  const record = await a.record(answer.headers['x-request-id'])
  assert.deepEqual([record.enrolment.attested_by, record.enrolment.pod_uid], ['token_review', pod.uid])
  other.deleted.add('b5a9a6b2-58a8-4d2c-9d1e-000000000002')
  await refused({ token: await other.token({ pod: { uid: 'b5a9a6b2-58a8-4d2c-9d1e-000000000002' } }), csr: csr() }, 401, 'credential_invalid', 'REVIEW_REFUSED')
  await refused({ token: await other.token({ audience: 'else' }), csr: csr() }, 401, 'credential_invalid', 'REVIEW_REFUSED')
  other.audiencesKnown = false
  await refused({ token: await other.token(), csr: csr() }, 401, 'credential_invalid', 'REVIEW_REFUSED')
  other.audiencesKnown = true
  await refused({ token: await other.token({ pod: null }), csr: csr() }, 403, 'attestation', 'ENROL_POD')
  other.down = true
  await refused({ token: await other.token(), csr: csr() }, 503, 'token_review_failed', 'REVIEW_FAILED')
  other.down = false
  assert.ok(!a.process.log.includes(token.split('.')[2]))
  assert.ok(!main.calls.some(c => c.includes('tokenreviews')), 'no token went to another cluster')
})

test('a key that the cluster signs with from now on is fetched for the first token of it', async () => {
  await main.rotate()
  const answer = await enrol(a, { token: await main.token(), csr: csr() })
  assert.equal(answer.status, 200, answer.text)
})

test('a join token is good once, for its ID, and of two at the same moment one wins', async () => {
  const id = 'spiffe://example.org/vm/one'
  const token = joinToken(ca, id, { dns: ['one.example'] })
  assert.match(token, /^sp_join_[0-9a-f]{16}_[0-9A-Za-z]{38}$/)
  assert.ok(!fs.readFileSync(`${ca.dir}/ca.db`).includes(token.slice(26)))
  await refused({ token, csr: csr({ san: ['URI:spiffe://example.org/vm/two'] }) }, 403, 'csr_name', 'CSR_NAME')
  await refused({ token, csr: csr({ san: ['DNS:two.example'] }) }, 403, 'csr_name', 'CSR_NAME')
  const both = await Promise.all([1, 2, 3, 4].map(() => enrol(a, { token, csr: csr({ san: ['DNS:one.example'] }) })))
  assert.deepEqual(both.map(b => b.status).sort(), [200, 401, 401, 401])
  assert.deepEqual(both.filter(b => b.status !== 200).map(b => b.code), Array(3).fill('join_token_used'))
  const won = both.find(b => b.status === 200)
  assert.equal(won.json.spiffe_id, id)
  const state = JSON.parse(run(sallyport, ['ca', 'join-token', '--dir', ca.dir, '--list', '--json']).out).find(j => j.spiffe_id === id)
  assert.deepEqual([state.state, state.serial], ['used', won.json.serial])
  const wrong = token.slice(0, -1) + (token.endsWith('a') ? 'b' : 'a')
  await refused({ token: wrong, csr: csr() }, 401, 'join_token_invalid', 'JOIN_UNKNOWN')
  const revoked = joinToken(ca, id)
  assert.equal(run(sallyport, ['ca', 'join-token', '--dir', ca.dir, '--revoke', revoked.split('_')[2]]).status, 0)
  assert.equal(run(sallyport, ['ca', 'join-token', '--dir', ca.dir, '--revoke', revoked.split('_')[2]]).status, 1)
  await refused({ token: revoked, csr: csr() }, 401, 'join_token_invalid', 'JOIN_REVOKED')
  const late = joinToken(ca, id, { ttl: '1s' })
  await until('its end', () => JSON.parse(run(sallyport, ['ca', 'join-token', '--dir', ca.dir, '--list', '--json']).out).some(j => j.state === 'expired'))
  await refused({ token: late, csr: csr() }, 401, 'join_token_expired', 'JOIN_EXPIRED')
})

test('a certificate is good for the next one of the same name, until it is revoked', async () => {
  const first = await enrol(a, { token: joinToken(ca, 'spiffe://example.org/vm/three', { dns: ['three.example'] }), csr: csr({ san: ['DNS:three.example'] }) })
  const next = await enrol(a, { who: first.who, csr: csr({ san: ['DNS:three.example'] }) })
  assert.equal(next.json?.spiffe_id, 'spiffe://example.org/vm/three', next.text)
  assert.notEqual(next.json.serial, first.json.serial)
  await refused({ who: next.who, csr: csr({ san: ['URI:spiffe://example.org/vm/one'] }) }, 403, 'csr_name', 'CSR_NAME')
  await refused({ who: next.who, csr: csr({ san: ['DNS:one.example'] }) }, 403, 'csr_name', 'CSR_NAME')
  assert.equal(run(sallyport, ['ca', 'revoke', '--dir', ca.dir, '--serial', next.json.serial]).status, 0)
  await refused({ who: next.who, csr: csr() }, 403, 'certificate_revoked', 'CERT_REVOKED')
})

test('the bundle and the last CRLs are published, and nothing else', async () => {
  assert.equal((await enrol(a, { method: 'GET', path: '/bundle.pem' })).text, ca.bundlePem)
  const bundle = await enrol(a, { method: 'GET', path: '/bundle.json' })
  assert.deepEqual(bundle.json.keys.map(k => k.use), ['x509-svid'])
  const crl = ca.crl()
  assert.equal((await enrol(a, { method: 'GET', path: '/crl.pem' })).text.trim(), crl.trim())
  assert.equal((await enrol(a, { method: 'GET', path: '/enrol' })).status, 405)
  assert.equal((await enrol(a, { method: 'GET', path: '/oauth2/jwks' })).status, 404)
})

test('an issuing CA that takes over is used from then on', async () => {
  assert.equal(run(sallyport, ['ca', 'renew', '--dir', ca.dir, '--issuing']).status, 0)
  const issuing = new X509Certificate(fs.readFileSync(`${ca.dir}/issuing/cert.pem`)).fingerprint256
  await until('the new issuing CA', async () => {
    const answer = await enrol(a, { token: await main.token(), csr: csr() })
    assert.equal(answer.status, 200, answer.text)
    return new X509Certificate(answer.json.certificate.slice(answer.json.certificate.indexOf('-----BEGIN', 10))).fingerprint256 === issuing
  })
})

test('killed in the middle: what was given out is registered, and each join token made one certificate at most', async () => {
  const tokens = Array.from({ length: 12 }, (_, i) => joinToken(ca, `spiffe://example.org/killed/${i}`))
  const csrs = tokens.map(() => csr())
  let answered = 0
  const answers = tokens.map((token, i) => enrol(a, { token, csr: csrs[i] }).then(answer => { answered++; return answer }, () => undefined))
  await until('the first answers', () => answered > 2)
  a.process.kill('SIGKILL')
  await a.process.ended
  const given = (await Promise.all(answers)).filter(answer => answer?.status === 200)
  assert.ok(given.length > 0)
  await a.start()
  const listed = new Set(JSON.parse(run(sallyport, ['ca', 'list', '--dir', ca.dir, '--json']).out).map(c => c.serial))
  for (const answer of given) assert.ok(listed.has(answer.json.serial))
  const states = JSON.parse(run(sallyport, ['ca', 'join-token', '--dir', ca.dir, '--list', '--json']).out).filter(j => j.spiffe_id.includes('/killed/'))
  for (const state of states.filter(s => s.state === 'used')) assert.ok(listed.has(state.serial))
  const again = await Promise.all(tokens.map((token, i) => enrol(a, { token, csr: csrs[i] })))
  for (const [i, answer] of again.entries()) {
    const was = states.find(s => s.spiffe_id === `spiffe://example.org/killed/${i}`)
    assert.equal(answer.status, was.state === 'used' ? 401 : 200, answer.text)
  }
})

test('one address has so many attempts in a minute', async () => {
  let last
  for (let i = 0; i < 130 && last?.status !== 429; i++) last = await enrol(a, { csr: { pem: 'x' } })
  assert.deepEqual([last.status, last.code, last.headers['retry-after']], [429, 'rate_limited', '1'])
})
