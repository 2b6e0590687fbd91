import { AutoTokenizer, env } from '@huggingface/transformers'
import assert from 'node:assert/strict'
import { cp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { openModel, type LanguageModel } from '@tersor/models'
import { CHATS, TEMPLATES } from '../packages/tersor/src/texts/chat-templates.fixture.js'
import { readTexts } from '../packages/tersor/src/texts/read-texts.js'
import { encoderOf, textModelOf } from '../packages/tersor/src/texts/text-model.js'
import { withFolder } from './files.js'

const BUNDLED = join(import.meta.dirname, '../examples/bundled-model/model')

for (const [shape, template] of Object.entries(TEMPLATES).filter(([name]) => name !== 'day'))
  test(`transformers.js gives the same ids of chats: ${shape}`, () =>
    withFolder(async folder => {
      await cp(BUNDLED, join(folder, 'model'), { recursive: true })
      await writeFile(join(folder, 'model/chat_template.jinja'), template)
      const rows = Object.values(CHATS).map(messages => JSON.stringify({ messages }))
      await writeFile(join(folder, 'chats.jsonl'), rows.join('\n'))
      Object.assign(env, { allowRemoteModels: false, localModelPath: folder })
      const theirs = await AutoTokenizer.from_pretrained('model')
      const model = (await openModel(join(folder, 'model'))) as LanguageModel
      const text = textModelOf(model)!
      const { texts } = await readTexts([join(folder, 'chats.jsonl')], { files: model.files ?? {} })
      for (const [i, messages] of Object.values(CHATS).entries()) {
        const ids = theirs.apply_chat_template([...messages], {
          chat_template: template,
          tokenize: true,
          return_tensor: false,
          return_dict: false,
        })
        assert.deepEqual([...encoderOf(text).encode(texts[i])], ids)
      }
      await model.close?.()
    }))
