// SPDX-License-Identifier: GPL-3.0-or-later
// The manual pages are those of this program: each command has one, each of its options is in it, and none has an option that is gone.
// One thread.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { command, must, run } from './lib/program.mjs'
import { repository } from './lib/files.mjs'

const folder = path.join(repository, 'docs/man')
const page = name => fs.readFileSync(path.join(folder, `${name}.1`), 'utf8')
const top = page('sallyport')

// The names in the list below `commands:`.
function commandsOf(help) {
  const list = help.match(/^commands:\n((?: {2}.*\n)+)/m)
  return list ? [...list[1].matchAll(/^ {2}([a-z][a-z-]*) /gm)].map(m => m[1]) : []
}

// [words, help] of a command and of all below it.
function * below(words) {
  const help = command(...words, '--help')
  yield [words, help]
  for (const name of commandsOf(help)) yield * below([...words, name])
}

// What the source has, not what --help says: a row that is missing there would be missed here, too.
const rows = [...fs.readFileSync(path.join(repository, 'gateway/main.c'), 'utf8').matchAll(/^ +&gw_cmd_(\w+),/gm)].map(m => m[1])

test('every command of main.c is in --help, and has a page that sallyport(1) leads to', () => {
  assert.ok(rows.length >= 13)
  assert.deepEqual(commandsOf(command('--help')), rows)
  const also = top.slice(top.indexOf('.Sh SEE ALSO'))
  for (const name of rows) {
    assert.ok(fs.existsSync(path.join(folder, `sallyport-${name}.1`)), `there is no sallyport-${name}.1`)
    assert.ok(top.includes(`.It Cm ${name}\n`), `sallyport.1 does not list ${name}`)
    assert.match(also, new RegExp(`^\\.Xr sallyport-${name} 1 ?,?$`, 'm'), `SEE ALSO of sallyport.1 lacks ${name}`)
  }
  for (const file of fs.readdirSync(folder)) assert.ok(file === 'sallyport.1' || rows.includes(file.slice('sallyport-'.length, -2)), `${file} is of no command`)
  const readme = fs.readFileSync(path.join(repository, 'README.md'), 'utf8')
  for (const name of rows) assert.ok(readme.includes(`docs/man/sallyport-${name}.1`), `README.md does not lead to the page of ${name}`)
})

for (const name of rows) {
  test(`sallyport-${name}.1 has each subcommand and each option that --help has, and no other option`, () => {
    const text = page(`sallyport-${name}`)
    const known = new Set()
    for (const [words, help] of below([name])) {
      const what = words.slice(1).join(' ')
      if (what) assert.match(text, new RegExp(`^\\.(It )?(Cm|Nm) ${what}( |$)`, 'm'), `nothing of ${what}`)
      for (const [, option] of help.matchAll(/^ {2}--([a-z0-9-]+)/gm)) {
        known.add(option)
        if (option !== 'help') assert.match(text, new RegExp(`-${option}(?![a-z0-9-])`), `${what || name} --${option} is not in the page`)
      }
    }
    for (const [, option] of text.matchAll(/\bFl -([a-z0-9-]+)/g)) {
      // A page may speak of an option of another command, which it then names.
      const elsewhere = text.match(new RegExp(`Xr sallyport-(\\w+) 1[^]{0,120}Fl -${option}(?![a-z0-9-])|Cm (\\w+(?: \\w+)?) Fl -${option}(?![a-z0-9-])`))
      assert.ok(known.has(option) || elsewhere, `--${option} is in the page, and no option`)
    }
  })
}

test('mandoc finds nothing to say about the pages', t => {
  if (run('sh', ['-c', 'command -v mandoc']).status !== 0) return t.skip('there is no mandoc')
  must('mandoc', ['-T', 'lint', '-W', 'warning', ...fs.readdirSync(folder).map(f => path.join(folder, f))])
})
