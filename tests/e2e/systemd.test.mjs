// SPDX-License-Identifier: GPL-3.0-or-later
// The units of deploy/systemd, as far as a machine that systemd did not start can show: what systemd says of them, and a gateway under the system calls, user
// and capabilities that they leave it.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { repository, sanitised, temporary, until } from './lib/files.mjs'
import { World } from './lib/gateway.mjs'
import { dumpLogs, must, run } from './lib/program.mjs'
import { Upstream } from './lib/upstream.mjs'

const units = path.join(repository, 'deploy/systemd')
const SYSTEM = ['sallyport@.service', 'sallyport-authority.service', 'sallyport-connect@.service']
const ALL = [...SYSTEM, 'user/sallyport-connect.service']
const has = program => run('sh', ['-c', `command -v ${program}`]).status === 0
const skip = !has('systemd-analyze') && 'no systemd-analyze'
const folder = temporary('systemd')
const read = unit => fs.readFileSync(path.join(units, unit), 'utf8')
const values = (unit, key) => [...read(unit).matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(m => m[1])

for (const unit of SYSTEM) {
  test(`${unit}: systemd-analyze security says at most 1.2 of 10`, { skip }, () => {
    const { out, err } = run('systemd-analyze', ['security', '--offline=true', '--no-pager', '--threshold=12', path.join(units, unit)])
    const score = Number(out.match(/Overall exposure level for \S+: ([\d.]+)/)?.[1])
    assert.ok(score <= 1.2, `${score}\n${out.split('\n').filter(l => l.startsWith('✗')).join('\n')}${err}`)
  })
}

test('systemd understands every line of the units', { skip }, () => {
  for (const unit of ALL) {
    const file = path.join(folder, path.basename(unit))
    // The program and its pages are not installed here.
    fs.writeFileSync(file, read(unit).replaceAll('/usr/bin/sallyport', '/bin/true').replace(/^Documentation=.*\n/m, ''))
    const { status, out, err } = run('systemd-analyze', ['verify', ...unit.startsWith('user/') ? ['--user'] : [], '--recursive-errors=no', file], { env: { ...process.env, XDG_RUNTIME_DIR: folder } })
    assert.equal(status, 0, `${unit}: ${out}${err}`)
    assert.doesNotMatch(err, new RegExp(path.basename(unit)), err)
  }
})

test('the users and folders are made, and the gateway may not read what is the authority\'s', { skip: skip || (process.getuid() !== 0 && 'only root can make users') || (!has('systemd-sysusers') && 'no systemd-sysusers') }, () => {
  const root = path.join(folder, 'root')
  for (const d of ['etc', 'var/lib']) fs.mkdirSync(path.join(root, d), { recursive: true })
  must('systemd-sysusers', [`--root=${root}`, path.join(units, 'sallyport.sysusers')])
  must('systemd-tmpfiles', [`--root=${root}`, '--create', path.join(units, 'sallyport.tmpfiles')])
  const ids = Object.fromEntries(fs.readFileSync(path.join(root, 'etc/passwd'), 'utf8').trim().split('\n').map(l => l.split(':')).map(f => [f[0], f]))
  assert.match(ids.sallyport[6], /nologin$/)
  assert.notEqual(ids.sallyport[2], ids['sallyport-authority'][2])
  const authority = fs.statSync(path.join(root, 'etc/sallyport-authority'))
  assert.equal(authority.mode & 0o777, 0o750)
  assert.equal(String(authority.gid), ids['sallyport-authority'][3])
  for (const [unit, user] of [['sallyport@.service', 'sallyport'], ['sallyport-authority.service', 'sallyport-authority']]) {
    assert.deepEqual(values(unit, 'User'), [user])
    assert.deepEqual(values(unit, 'StateDirectoryMode'), ['0700'])
  }
})

test('a unit gives a stop the time that a drain may take', () => {
  for (const unit of ALL) assert.ok(Number(values(unit, 'TimeoutStopSec')[0]) > 30 + 5, unit)
})

// The system calls of a unit, as systemd resolves its sets.
function filterOf(unit) {
  const calls = new Set()
  const add = (name, put) => {
    if (!name.startsWith('@')) return put ? calls.add(name) : calls.delete(name)
    for (const line of must('systemd-analyze', ['syscall-filter', '--no-pager', name]).split('\n').slice(1)) {
      const word = line.trim()
      if (word && !word.startsWith('#')) add(word, put)
    }
  }
  add('@default', true)
  for (const value of values(unit, 'SystemCallFilter')) for (const name of value.replace(/^~/, '').split(' ')) add(name, !value.startsWith('~'))
  return [...calls]
}

const cannotRun = skip || (sanitised && 'a sanitizer needs other system calls') || (process.getuid() !== 0 && 'only root can become another user') ||
  (run('python3', ['-c', 'import ctypes; ctypes.CDLL("libseccomp.so.2")']).status !== 0 && 'no libseccomp.so.2')

test('a gateway under the unit\'s system calls, user and capabilities starts, serves, reloads and drains', { skip: cannotRun }, async () => {
  const shard = await Upstream.start()
  const w = await World.make('unit', { shards: [{ name: 'one', api: 'qdrant', endpoints: [shard.url] }], routes: [{ shard: 'one' }] })
  const profile = path.join(folder, 'seccomp.json')
  fs.writeFileSync(profile, JSON.stringify({ defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: 38, syscalls: [{ names: filterOf('sallyport@.service'), action: 'SCMP_ACT_ALLOW' }] }))
  assert.deepEqual(values('sallyport@.service', 'SystemCallErrorNumber'), ['ENOSYS'])
  must('chown', ['-R', '65532:65532', w.folder])
  try {
    await w.start({ wrap: [path.join(repository, 'tests/support/container.py'), '--seccomp', profile, '--'] })
    const status = fs.readFileSync(`/proc/${w.process.pid}/status`, 'utf8')
    assert.match(status, /^Uid:\s+65532/m)
    assert.match(status, /^CapEff:\s+0+$/m)
    assert.doesNotMatch(w.process.log, /level=(warn|error)|\b(warning|error):/i)
    const client = await w.workload('client')
    assert.equal((await client.get('/collections/docs')).status, 200)
    fs.writeFileSync(w.at('policy.cedar'), 'forbid (principal, action, resource);\n')
    await until('the new policy', async () => (await client.get('/collections/docs')).status === 403)
    assert.equal(await w.reload(), true)
    client.close()
    await w.stop()
  } finally {
    dumpLogs(w.process)
    await w.process?.stop()
    await shard.stop()
  }
})
