// SPDX-License-Identifier: GPL-3.0-or-later
// Policies in one signed file: made with the command line, served by the real process, replaced, broken, played again.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import { after, before, beforeEach, test } from 'node:test'
import * as jose from 'jose'
import { nothingReaches, refused } from './lib/expect.mjs'
import { replace, sallyport } from './lib/files.mjs'
import { OPEN, World } from './lib/gateway.mjs'
import { command, dumpLogs, must, run, start } from './lib/program.mjs'
import { Upstream } from './lib/upstream.mjs'

const DOCS = '/collections/docs'
const CLOSED = `${OPEN}\n@id("closed")\nforbid (principal, action, resource);\n`
let w, shard, client, version = 0

// A bundle of this policy, as two files that are not where the gateway looks.
function make(text, v, { key = w.at('bundle.pem'), out = w.at('made.tar') } = {}) {
  fs.writeFileSync(w.at('made.cedar'), text)
  command('policy', 'bundle', 'create', w.at('made.cedar'), '--version', String(v), '--key', key, '--out', out)
  return { archive: fs.readFileSync(out), signature: fs.readFileSync(`${out}.sig`) }
}

function put({ archive, signature }) {
  replace(w.at('policies.tar.sig'), signature)
  replace(w.at('policies.tar'), archive)
}

const allowed = async () => assert.equal((await client.get(DOCS)).status, 200)
const denied = async () => refused(await nothingReaches(shard, () => client.get(DOCS)), { status: 403, code: 'denied' })
const inForce = async (v, source = 'file') =>
  assert.equal((await w.metrics())[`sallyport_policy_bundle{role="gateway",source="${source}"}`], v)
const keys = (key, file) => command('token', 'keygen', '--out', w.at(key), '--no-passphrase') && fs.renameSync(w.at(`${key}`), w.at(file))

async function restart() {
  await w.stop()
  await w.start()
  client = await w.workload('client')
}

before(async () => {
  shard = await Upstream.start()
  w = await World.make('bundle', { shards: [{ name: 'one', api: 'qdrant', endpoints: [shard.url] }], routes: [{ shard: 'one' }] })
  keys('bundle', 'bundle.pem')
  keys('stranger', 'stranger.pem')
  w.config.policy = { bundle: { file: 'policies.tar', keys: 'bundle.jwks.json', last_good: 'last-good' } }
  w.save()
  put(make(OPEN, ++version))
  await w.start()
  client = await w.workload('client')
})

// A new version, open, whatever a test left behind.
beforeEach(async () => {
  put(make(OPEN, ++version))
  await w.reload() // the watcher may have seen one of the two before
  await allowed()
  await inForce(version)
})

after(async () => {
  dumpLogs(w?.process)
  await w?.stop()
  await shard?.stop()
})

test('the signature is a detached JWS that another implementation verifies, and the archive a tar file', async () => {
  const { archive, signature } = make(CLOSED, 99)
  const [header, payload, value] = signature.toString().trim().split('.')
  assert.equal(payload, '')
  const set = jose.createLocalJWKSet(JSON.parse(fs.readFileSync(w.at('bundle.jwks.json'))))
  const { protectedHeader } = await jose.flattenedVerify({ protected: header, payload: archive.toString('base64url'), signature: value }, set)
  assert.equal(protectedHeader.typ, 'sallyport-policy-bundle+jws')
  assert.equal(must('tar', ['tf', w.at('made.tar')]), 'bundle.json\nmade.cedar\n')
  assert.equal(must('tar', ['xOf', w.at('made.tar'), 'made.cedar']), CLOSED)
  const seen = JSON.parse(command('policy', 'bundle', 'verify', w.at('made.tar'), '--keys', w.at('bundle.jwks.json'), '--json'))
  assert.equal(seen.version, 99)
  assert.equal(seen.kid, protectedHeader.kid)
  assert.equal(seen.sha256, createHash('sha256').update(archive).digest('hex'))
})

test('what tar packs and another implementation signs is served', async () => {
  const folder = w.at('packed')
  fs.mkdirSync(folder)
  fs.writeFileSync(`${folder}/bundle.json`, JSON.stringify({ version: ++version, policies: ['mine.cedar'] }))
  fs.writeFileSync(`${folder}/mine.cedar`, CLOSED)
  must('tar', ['--format=ustar', '-C', folder, '-cf', w.at('packed.tar'), 'bundle.json', 'mine.cedar'])
  const archive = fs.readFileSync(w.at('packed.tar'))
  const { kid } = JSON.parse(fs.readFileSync(w.at('bundle.jwks.json'))).keys[0]
  const key = await jose.importPKCS8(fs.readFileSync(w.at('bundle.pem'), 'utf8'), 'ES256')
  const jws = await new jose.FlattenedSign(archive).setProtectedHeader({ alg: 'ES256', typ: 'sallyport-policy-bundle+jws', kid }).sign(key)
  put({ archive, signature: `${jws.protected}..${jws.signature}` })
  await w.reload()
  await denied()
  await inForce(version)
})

test('a newer version takes effect without a signal, and records name it', async () => {
  const { archive, signature } = make(CLOSED, ++version)
  replace(w.at('policies.tar.sig'), signature)
  // One of the two is there: what is in force stays until the other is.
  assert.equal(await w.reload({ signal: false }), false)
  await allowed()
  replace(w.at('policies.tar'), archive)
  assert.ok(await w.reload({ signal: false }))
  const answer = await nothingReaches(shard, () => client.get(DOCS))
  refused(answer, { status: 403, code: 'denied' })
  const record = await w.record(answer.json.request_id)
  assert.match(record.policy_set, new RegExp(`^bundle ${version}, generation \\d+$`))
})

for (const [what, spoil] of [
  ['one byte of the archive changed', b => { b.archive[600] ^= 1 }],
  ['it is of another key', b => Object.assign(b, make(OPEN, version + 1, { key: w.at('stranger.pem') }))],
  ['the signature is of another version', b => { b.signature = make(OPEN, version + 2).signature }],
  ['the signature is empty', b => { b.signature = '' }],
  ['alg is none', b => {
    const header = { ...JSON.parse(Buffer.from(b.signature.toString().split('.')[0], 'base64url')), alg: 'none' }
    b.signature = `${Buffer.from(JSON.stringify(header)).toString('base64url')}..`
  }],
  ['it is an older one', b => Object.assign(b, make(OPEN, version - 1))],
  ['it has the version of the one in force', b => Object.assign(b, make(`${CLOSED}// other`, version))]
]) {
  test(`a bundle is refused and the old one stays: ${what}`, async () => {
    put(make(CLOSED, ++version))
    await w.reload()
    await denied()
    const bundle = make(OPEN, version + 1)
    spoil(bundle)
    put(bundle)
    assert.equal(await w.reload(), false)
    await denied()
    await inForce(version)
    // The next start does not take it either.
    await restart()
    await denied()
    await inForce(version, 'last_good')
    assert.match(w.process.log, new RegExp(`the last good one, version ${version}, is in force`))
    assert.equal((await w.metrics()).sallyport_ready, 1)
    const checked = run(sallyport, ['check', '--config', w.file])
    assert.equal(checked.status, 1, 'to check is to ask whether the files are good')
    version += 2
  })
}

test('what a gateway would refuse is not signed, and refused where somebody signed it', async () => {
  const made = run(sallyport, ['policy', 'bundle', 'create', w.at('policy.cedar'), '--version', '0', '--key', w.at('bundle.pem'), '--out', w.at('no.tar')])
  assert.equal(made.status, 2)
  fs.writeFileSync(w.at('bad.cedar'), 'permit (principal, action == Action::"serch", resource);')
  const bad = run(sallyport, ['policy', 'bundle', 'create', w.at('bad.cedar'), '--version', '9', '--key', w.at('bundle.pem'), '--out', w.at('no.tar')])
  assert.equal(bad.status, 1)
  assert.match(bad.err, /bad\.cedar:1:\d+: error: .*did you mean Action::"search"/)
  assert.ok(!fs.existsSync(w.at('no.tar')) && !fs.existsSync(w.at('no.tar.sig')))
})

test('one goes back by signing the old content as a new version', async () => {
  const old = make(CLOSED, ++version, { out: w.at('old.tar') })
  put(old)
  await w.reload()
  put(make(OPEN, ++version))
  await w.reload()
  await allowed()
  command('policy', 'bundle', 'create', '--bundle', w.at('old.tar'), '--keys', w.at('bundle.jwks.json'), '--version', String(++version),
    '--key', w.at('bundle.pem'), '--out', w.at('again.tar'))
  put({ archive: fs.readFileSync(w.at('again.tar')), signature: fs.readFileSync(w.at('again.tar.sig')) })
  await w.reload()
  await denied()
  await inForce(version)
})

test('without a last good one a broken bundle is no start', async () => {
  await w.stop()
  fs.rmSync(w.at('last-good'), { recursive: true })
  const { archive, signature } = make(OPEN, ++version)
  put({ archive: archive.subarray(512), signature })
  const p = start('gateway', sallyport, ['run', '--config', w.file])
  const ended = await p.ended
  assert.equal(ended.code, 1)
  assert.match(ended.log, /policies\.tar: error: the signature is not that of this archive/)
  put({ archive, signature })
  await w.start()
  client = await w.workload('client')
  await allowed()
  assert.equal(fs.statSync(w.at('last-good')).mode & 0o777, 0o700)
  assert.deepEqual(fs.readdirSync(w.at('last-good')).sort(), [`bundle-${version}.tar`, `bundle-${version}.tar.sig`])
})
