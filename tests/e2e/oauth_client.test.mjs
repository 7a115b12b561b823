// SPDX-License-Identifier: GPL-3.0-or-later
// The token service as a client library meets it that we did not write: npm's `oauth4webapi`, unmodified, with DPoP and with mutual TLS, from
// the metadata to a search through the gateway. One process is authority and gateway.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import fs from 'node:fs'
import https from 'node:https'
import { after, before, test } from 'node:test'
import * as jose from 'jose'
import * as oauth from 'oauth4webapi'
import { Client } from './lib/client.mjs'
import { port, sallyport, temporary, until } from './lib/files.mjs'
import { NONE, SCOPES, World } from './lib/gateway.mjs'
import { command, dumpLogs, runBeside } from './lib/program.mjs'
import { boundToKey, Issuer, newProofKey } from './lib/token.mjs'
import { Upstream } from './lib/upstream.mjs'

const ISSUE = `
@id("readers")
permit (principal == Workload::"spiffe://example.org/retrieval", action in [Action::"token:issue", Action::"token:exchange"], resource == Audience::"sallyport")
when { ["vectors.rw", "vectors.read", "offline_access"].containsAll(context.scopes) }
unless { context has subject_issuer && context.subject_issuer == "https://kubernetes.default.svc.cluster.local" && !(context has subject && context.subject == "system:serviceaccount:rag:api") };

@id("service")
permit (principal == Workload::"spiffe://example.org/batch", action == Action::"token:issue", resource == Audience::"sallyport")
when { context.client_auth == "private_key_jwt" && context.scopes == ["vectors.read"] };
`
const SEARCH = '/collections/docs/points/search'
const QUERY = JSON.stringify({ vector: [0.1, 0.2], limit: 3 })
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'

let w, shard, as, retrieval, thief, batchKeys, people, cluster, issuer

before(async () => {
  const folder = temporary('oauth-client')
  const authorityPort = await port()
  issuer = `https://localhost:${authorityPort}`
  shard = await Upstream.start()
  people = await Issuer.make(`${folder}/people.json`, { iss: 'https://people.example', audience: issuer })
  cluster = await Issuer.make(`${folder}/cluster.json`, { iss: 'https://kubernetes.default.svc.cluster.local', audience: issuer, alg: 'RS256' })
  batchKeys = await jose.generateKeyPair('ES256', { extractable: true })
  const batch = { ...await jose.exportJWK(batchKeys.publicKey), kid: 'batch', alg: 'ES256', use: 'sig' }
  fs.writeFileSync(`${folder}/batch.json`, JSON.stringify({ keys: [batch] }))
  fs.writeFileSync(`${folder}/issue.cedar`, ISSUE)
  fs.writeFileSync(`${folder}/passphrase`, 'a passphrase of the test\n', { mode: 0o600 })
  fs.mkdirSync(`${folder}/state`, { mode: 0o700 })
  w = await World.make('oauth-client', {
    shards: [{ name: 'recorder', api: 'qdrant', endpoints: [shard.url] }],
    routes: [{ shard: 'recorder' }]
  })
  w.config.issuers.push({
    name: 'authority', issuer, jwks_url: `${issuer}/oauth2/jwks`, fetch: { tls: { ca: w.ca.bundle, certificate: w.server.cert, key: w.server.key } }, audiences: ['sallyport'],
    binding: 'either', claims: { workload: 'workload' }, scopes: { ...SCOPES }, asserts: { trust_domains: ['example.org'] }
  }, {
    name: 'people', issuer: people.iss, jwks: people.jwks, uses: ['exchange'], audiences: [issuer], binding: 'none', unbound_bearer: 'allow',
    workload_match: 'unchecked', scopes: SCOPES
  }, {
    name: 'cluster', issuer: cluster.iss, jwks: cluster.jwks, algorithms: ['RS256'], uses: ['exchange'], audiences: [issuer], typ: 'none', binding: 'none', unbound_bearer: 'allow',
    workload_match: 'unchecked', scopes: NONE
  })
  Object.assign(w.config, {
    revocations: { store: `${folder}/revocations.db` },
    authority: {
      issuer, addresses: [`127.0.0.1:${authorityPort}`], tls: { certificate: w.server.cert, key: w.server.key }, state: `${folder}/state`,
      signing: { passphrase_file: `${folder}/passphrase` }, audiences: ['sallyport'], nonce: 'required', policy: { files: [`${folder}/issue.cedar`] },
      clients: [{ id: 'batch-loader', workload: 'spiffe://example.org/batch', jwks: `${folder}/batch.json` }],
      followers: ['spiffe://example.org/gateway']
    }
  })
  w.save()
  await w.start()
  retrieval = w.ca.issue('retrieval')
  thief = w.ca.issue('thief')
  as = await oauth.processDiscoveryResponse(new URL(issuer), await oauth.discoveryRequest(new URL(issuer), { algorithm: 'oauth2', ...over(retrieval) }))
  // The gateway has heard of the authority's keys.
  await until('the keys', async () => (await w.metrics())['sallyport_ready'] === 1)
})

after(async () => {
  dumpLogs(w?.process)
  await w?.stop()
  await shard?.stop()
})

// What the library calls instead of fetch: the same over a connection with this workload's certificate.
function over(who) {
  const fetch = (url, { method, headers, body }) => new Promise((resolve, reject) => {
    const request = https.request(url, { method, headers: Object.fromEntries(new Headers(headers)), agent: false, ca: w.bundle, cert: who?.certPem, key: who?.keyPem }, async answer => {
      const pieces = []
      for await (const piece of answer) pieces.push(piece)
      const fields = Object.entries(answer.headers).flatMap(([name, value]) => [value].flat().map(one => [name, one]))
      resolve(new Response([204, 304].includes(answer.statusCode) ? null : Buffer.concat(pieces), { status: answer.statusCode, headers: fields }))
    })
    request.on('error', reject).end(body instanceof URLSearchParams ? body.toString() : body ?? undefined)
  })
  return { [oauth.customFetch]: fetch }
}

// As the library's examples do: once more when a nonce is asked for.
async function withNonce(attempt) {
  try {
    return await attempt()
  } catch (error) {
    if (oauth.isDPoPNonceError(error)) return attempt()
    throw error
  }
}

const clientOf = who => ({ client_id: who.id })

async function credentials(who, parameters, { DPoP, auth = oauth.TlsClientAuth(), client = clientOf(who) } = {}) {
  return withNonce(async () => oauth.processClientCredentialsResponse(as, client,
    await oauth.clientCredentialsGrantRequest(as, client, auth, parameters, { DPoP, ...over(who) })))
}

async function exchange(who, parameters, { DPoP } = {}) {
  const client = clientOf(who)
  return withNonce(async () => oauth.processGenericTokenEndpointResponse(as, client,
    await oauth.genericTokenEndpointRequest(as, client, oauth.TlsClientAuth(), EXCHANGE, parameters, { DPoP, ...over(who) })))
}

async function refresh(who, token, { DPoP } = {}) {
  const client = clientOf(who)
  return withNonce(async () => oauth.processRefreshTokenResponse(as, client, await oauth.refreshTokenGrantRequest(as, client, oauth.TlsClientAuth(), token, { DPoP, ...over(who) })))
}

// A search through the gateway with this token.
function search(who, token, { keys } = {}) {
  const client = new Client(w, who, { token, keys, scheme: keys ? 'DPoP' : 'Bearer' })
  return client.post(SEARCH, JSON.parse(QUERY)).finally(() => client.close())
}

// A 401 has a challenge, and the library then tells that instead of the body.
const unauthenticated = e => (e instanceof oauth.WWWAuthenticateChallengeError && e.status === 401) || assert.fail(e.message)
const refusal = error => e => e.error === error || assert.fail(`${e.error}: ${e.error_description ?? e.message}`)

test('the metadata are of RFC 8414 and say what the service does', () => {
  assert.equal(as.issuer, issuer)
  assert.ok(as.grant_types_supported.includes('client_credentials') && as.grant_types_supported.includes('refresh_token') && as.grant_types_supported.includes(EXCHANGE))
  assert.ok(!as.grant_types_supported.includes('password'))
  assert.ok(as.token_endpoint_auth_methods_supported.includes('tls_client_auth') && as.token_endpoint_auth_methods_supported.includes('private_key_jwt'))
  assert.ok(as.dpop_signing_alg_values_supported.includes('ES256') && !as.dpop_signing_alg_values_supported.includes('none'))
  assert.equal(as.tls_client_certificate_bound_access_tokens, true)
})

test('client credentials with DPoP and a nonce: the token opens the gateway with its key, and not with another', async () => {
  const keys = await newProofKey()
  const DPoP = oauth.DPoP(clientOf(retrieval), keys)
  const answer = await credentials(retrieval, { scope: 'vectors.rw' }, { DPoP })
  assert.equal(answer.token_type, 'dpop')
  assert.equal(answer.scope ?? 'vectors.rw', 'vectors.rw')
  assert.ok(!answer.refresh_token, 'RFC 6749 §4.4.3')
  const claims = jose.decodeJwt(answer.access_token)
  assert.equal(jose.decodeProtectedHeader(answer.access_token).typ, 'at+jwt')
  assert.deepEqual(claims.cnf, await boundToKey(keys))
  assert.ok(claims.exp - claims.iat <= 300)
  const found = await search(retrieval, answer.access_token, { keys })
  assert.equal(found.status, 200, found.text)
  assert.equal((await search(retrieval, answer.access_token, { keys: await newProofKey() })).status, 401)
  assert.equal((await search(thief, answer.access_token, { keys })).status, 401)
})

test('the library itself calls the gateway with the token', async () => {
  const DPoP = oauth.DPoP(clientOf(retrieval), await newProofKey())
  const { access_token } = await credentials(retrieval, { scope: 'vectors.read' }, { DPoP })
  const answer = await oauth.protectedResourceRequest(access_token, 'POST', new URL(`https://localhost:${w.port}${SEARCH}`),
    new Headers({ 'content-type': 'application/json', 'content-length': `${QUERY.length}` }), QUERY, { DPoP, ...over(retrieval) })
  assert.equal(answer.status, 200, await answer.text())
})

test('client credentials with mutual TLS: the token is bound to the certificate', async () => {
  const answer = await credentials(retrieval, { scope: 'vectors.read' })
  assert.equal(answer.token_type, 'bearer')
  assert.ok(jose.decodeJwt(answer.access_token).cnf['x5t#S256'])
  assert.equal((await search(retrieval, answer.access_token)).status, 200)
  assert.equal((await search(thief, answer.access_token)).status, 401)
})

test('private_key_jwt: an assertion by a registered key, used once, by its own client', async () => {
  const batch = w.ca.issue('batch')
  const client = { client_id: 'batch-loader' }
  const key = { key: batchKeys.privateKey, kid: 'batch' }
  const answer = await credentials(batch, { scope: 'vectors.read' }, { client, auth: oauth.PrivateKeyJwt(key) })
  assert.equal((await search(batch, answer.access_token)).status, 200)
  const { privateKey } = await jose.generateKeyPair('ES256')
  await assert.rejects(credentials(batch, { scope: 'vectors.read' }, { client, auth: oauth.PrivateKeyJwt({ key: privateKey, kid: 'batch' }) }), unauthenticated)
})

test('without a library: `sallyport call` asks for a token with a proof, is told the nonce, and calls the gateway with what it got', async () => {
  const key = w.at('client.pem')
  command('token', 'keygen', '--out', key, '--no-passphrase')
  const call = (...args) => runBeside(sallyport, ['call', '--ca', w.ca.bundle, '--cert', retrieval.cert, '--key', retrieval.key, '--dpop-key', key, ...args])
  const asked = await call('--header', 'content-type: application/x-www-form-urlencoded', '--data', 'grant_type=client_credentials&scope=vectors.read', `${issuer}/oauth2/token`)
  assert.equal(asked.status, 0, asked.err)
  const answer = JSON.parse(asked.out)
  assert.equal(answer.token_type, 'DPoP')
  fs.writeFileSync(w.at('token'), answer.access_token, { mode: 0o600 })
  const found = await call('--token', `@${w.at('token')}`, '--data', QUERY, `https://localhost:${w.port}${SEARCH}`)
  assert.equal(found.status, 0, found.err + found.out)
})

test('what the policy does not grant is not issued', async () => {
  await assert.rejects(credentials(thief, { scope: 'vectors.read' }), refusal('unauthorized_client'))
  await assert.rejects(credentials(retrieval, { scope: 'vectors.rw', resource: 'urn:elsewhere' }), refusal('invalid_target'))
})

test('a token is exchanged on behalf of its subject, narrower, and says who acts', async () => {
  const DPoP = oauth.DPoP(clientOf(retrieval), await newProofKey())
  const person = await people.mint({ workload: 'user-17', scope: 'vectors.read' })
  const answer = await exchange(retrieval, { subject_token: person, subject_token_type: ACCESS_TOKEN, scope: 'vectors.read' }, { DPoP })
  const claims = jose.decodeJwt(answer.access_token)
  assert.equal(claims.sub, 'user-17')
  assert.equal(claims.client_id, retrieval.id)
  await assert.rejects(exchange(retrieval, { subject_token: person, subject_token_type: ACCESS_TOKEN, scope: 'vectors.rw' }, { DPoP }), refusal('invalid_scope'))
})

test('a service account of Kubernetes exchanges its projected token, which has neither typ nor scope, where a policy names it', async () => {
  const DPoP = oauth.DPoP(clientOf(retrieval), await newProofKey())
  const now = Math.floor(Date.now() / 1000)
  const projected = subject => new jose.SignJWT({
    'kubernetes.io': { namespace: 'rag', pod: { name: 'api-0', uid: randomUUID() }, serviceaccount: { name: 'api', uid: randomUUID() } }, nbf: now
  }).setProtectedHeader({ alg: 'RS256', kid: cluster.keys[0].jwk.kid }).setIssuer(cluster.iss).setAudience([issuer]).setSubject(subject)
    .setJti(randomUUID()).setIssuedAt(now).setExpirationTime(now + 3600).sign(cluster.keys[0].privateKey)
  const ask = async subject => exchange(retrieval, { subject_token: await projected(subject), subject_token_type: 'urn:ietf:params:oauth:token-type:jwt', scope: 'vectors.read' }, { DPoP })
  const claims = jose.decodeJwt((await ask('system:serviceaccount:rag:api')).access_token)
  assert.equal(claims.sub, 'system:serviceaccount:rag:api')
  assert.equal(claims.subject_issuer, cluster.iss)
  assert.equal(claims.workload, retrieval.id)
  await assert.rejects(ask('system:serviceaccount:kube-system:default'), refusal('unauthorized_client'))
})

test('refresh tokens rotate, and one that was used before ends its family', async () => {
  const DPoP = oauth.DPoP(clientOf(retrieval), await newProofKey())
  const person = await people.mint({ workload: 'user-18', scope: 'vectors.read offline_access' })
  const first = await exchange(retrieval, { subject_token: person, subject_token_type: ACCESS_TOKEN, scope: 'vectors.read offline_access' }, { DPoP })
  assert.ok(first.refresh_token)
  const second = await refresh(retrieval, first.refresh_token, { DPoP })
  assert.ok(second.refresh_token && second.refresh_token !== first.refresh_token)
  const third = await refresh(retrieval, second.refresh_token, { DPoP })
  await assert.rejects(refresh(retrieval, second.refresh_token, { DPoP: oauth.DPoP(clientOf(retrieval), await newProofKey()) }), refusal('invalid_grant'), 'another key')
  await assert.rejects(refresh(retrieval, first.refresh_token, { DPoP }), refusal('invalid_grant'), 'used before')
  await assert.rejects(refresh(retrieval, third.refresh_token, { DPoP }), refusal('invalid_grant'), 'the family is over')
})

test('a token that its client revokes is refused by the gateway within a second, and introspection says so', async () => {
  const keys = await newProofKey()
  const DPoP = oauth.DPoP(clientOf(retrieval), keys)
  const { access_token } = await credentials(retrieval, { scope: 'vectors.read' }, { DPoP })
  const client = clientOf(retrieval)
  const look = async () => oauth.processIntrospectionResponse(as, client, await oauth.introspectionRequest(as, client, oauth.TlsClientAuth(), access_token, over(retrieval)))
  assert.equal((await look()).active, true)
  assert.equal((await search(retrieval, access_token, { keys })).status, 200)
  await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, oauth.TlsClientAuth(), access_token, over(retrieval)))
  await until('the word of it', async () => !(await look()).active, 1000)
  await until('the refusal', async () => (await search(retrieval, access_token, { keys })).status === 401, 1000)
})
