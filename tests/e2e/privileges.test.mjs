// SPDX-License-Identifier: GPL-3.0-or-later
// A serving process has less than it was started with: another user, no capabilities, few system calls, memory that is not swapped.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { sanitised } from './lib/files.mjs'
import { World } from './lib/gateway.mjs'
import { dumpLogs, must, run } from './lib/program.mjs'
import { Upstream } from './lib/upstream.mjs'

const DOCS = '/collections/docs'
const root = process.getuid() === 0
const NOBODY = 65534
const worlds = []
let shard

// Of a thread, or of the first one: the fields of /proc/PID/status.
const status = (pid, thread = pid) => Object.fromEntries(fs.readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8')
  .split('\n').filter(Boolean).map(line => line.split(':\t').map(s => s.trim())))
const threads = pid => fs.readdirSync(`/proc/${pid}/task`)

async function world(name, change) {
  const w = await World.make(name, { shards: [{ name: 'one', api: 'qdrant', endpoints: [shard.url] }], routes: [{ shard: 'one' }], change })
  worlds.push(w)
  return w
}

// What the gateway reads and writes belongs to the user that it will be.
function give(w, uid) {
  for (let folder = w.folder; folder !== '/tmp' && folder !== '/'; folder = path.dirname(folder)) fs.chmodSync(folder, 0o755)
  must('chown', ['-R', `${uid}:${uid}`, w.folder])
}

async function lowPort() {
  for (let p = 1023; p > 600; p--) {
    if (await new Promise(done => { const s = net.createServer().once('error', () => done(false)).listen(p, '127.0.0.1', () => s.close(() => done(true))) })) return p
  }
  throw new Error('no free port')
}

before(async () => { shard = await Upstream.start() })

after(async () => {
  dumpLogs(...worlds.map(w => w.process).filter(Boolean))
  for (const w of worlds) await w.stop()
  await shard?.stop()
})

test('no_new_privs and the system call filter hold for every thread, and the process still serves', async t => {
  const w = await (await world('confined')).start()
  const client = await w.workload('client')
  assert.equal((await client.get(DOCS)).status, 200)
  for (const thread of threads(w.process.pid)) assert.equal(status(w.process.pid, thread).NoNewPrivs, '1')
  if (sanitised) return t.diagnostic('no filter under sanitizers')
  for (const thread of threads(w.process.pid)) assert.equal(status(w.process.pid, thread).Seccomp, '2')
  assert.equal(await w.reload(), true)
  assert.equal((await client.get(DOCS)).status, 200)
})

test('with seccomp: off there is no filter', async () => {
  const w = await (await world('unconfined', { process: { seccomp: 'off' } })).start()
  assert.equal(status(w.process.pid).Seccomp, '0')
})

test('memory is locked where that is allowed, and lock_memory: off leaves it', { skip: !root && 'needs root' }, async t => {
  const locked = await (await world('locked')).start()
  const free = await (await world('unlocked', { process: { lock_memory: 'off' } })).start()
  const bytes = w => parseInt(status(w.process.pid).VmLck)
  assert.equal(bytes(free), 0)
  // Sanitizers map terabytes, and make mlockall(2) do nothing.
  if (sanitised) return t.diagnostic('no memory is locked under sanitizers')
  assert.ok(bytes(locked) > 0)
})

test('a process of root becomes the user it is told, keeps no capability, and serves a port below 1024', { skip: !root && 'needs root' }, async () => {
  const low = await lowPort()
  const w = await world('nobody', { process: { user: 'nobody', group: 'nogroup' } })
  w.config.listener.addresses.push(`127.0.0.1:${low}`)
  w.save()
  give(w, NOBODY)
  await w.start()
  for (const thread of threads(w.process.pid)) {
    const s = status(w.process.pid, thread)
    assert.deepEqual([s.Uid, s.Gid], Array(2).fill(Array(4).fill(NOBODY).join('\t')))
    assert.deepEqual([s.CapInh, s.CapPrm, s.CapEff, s.CapBnd, s.CapAmb].map(x => BigInt(`0x${x}`)), Array(5).fill(0n))
    assert.ok(!s.Groups.split(' ').includes('0'), `groups ${s.Groups}`)
  }
  // Its memory is nobody's to look at, another process of the same user included.
  assert.equal(fs.statSync(`/proc/${w.process.pid}/mem`).uid, 0)
  assert.equal((await (await w.workload('client')).get(DOCS)).status, 200)
  assert.equal(await w.reload(), true)
  assert.equal(fs.statSync(w.audit).uid, NOBODY)
})

test('what that user may not read stops the start, and not the first reload', { skip: !root && 'needs root' }, async () => {
  const w = await world('unreadable', { process: { user: 'nobody' } })
  give(w, NOBODY)
  fs.chownSync(w.server.key, 0, 0)
  fs.chmodSync(w.server.key, 0o600)
  await assert.rejects(w.start(), e => e.message.includes(`${w.server.key}: Permission denied`))
  w.process = undefined
})

test('a user that is not there, and one that only root can become, are named with their place', async () => {
  const w = await world('who', { process: { user: 'nobody-is-called-so' } })
  await assert.rejects(w.start(), /gateway\.yaml:\d+:\d+: error: no user is called 'nobody-is-called-so' here; create one, or name another/)
  w.config.process.user = 'root'
  w.save()
  if (!root) await assert.rejects(w.start(), /only root can become 'root', and this process is user \d+/)
  w.process = undefined
})

test('lock_memory: required does not start where memory cannot be locked', { skip: !root && 'needs root' }, async t => {
  const w = await world('required', { process: { lock_memory: 'required' } })
  give(w, NOBODY)
  if (run('setpriv', ['--version']).status !== 0) return t.skip('needs setpriv')
  await assert.rejects(w.start({ wrap: ['setpriv', '--reuid', String(NOBODY), '--clear-groups', 'prlimit', '--memlock=65536:65536'] }),
    /memory cannot be locked; allow it without limit/)
  w.process = undefined
})
