import { InvalidArgumentError, Option, type Command } from 'commander'
import { TARGET_NAMES } from './targets/targets.js'
import { didYouMean } from './nearest.js'
import { withChoices } from './with-choices.js'
import { CHECKPOINT_FORMATS, DENSE_DTYPES, ONNX_FORMS, OUTPUT_FORMATS } from './format-flags.js'

export const MODEL = 'a Hugging Face folder, a .gguf or .onnx file, NAME.safetensors with NAME.json beside it, or hf:org/name'

export const wholeNumber = (text: string): number => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('Expected a whole number of at least 0.')
  return value
}

const countingNumber = (text: string): number => {
  const value = wholeNumber(text)
  if (value === 0) throw new InvalidArgumentError('Expected a whole number of at least 1.')
  return value
}

export const temperature = (text: string): number => {
  const value = Number(text)
  if (!Number.isFinite(value) || value < 0) throw new InvalidArgumentError('Expected a number of at least 0.')
  return value
}

const share = (text: string): number => {
  const value = Number(text)
  if (text.trim() === '' || !(value > 0 && value <= 1)) throw new InvalidArgumentError('Expected a number above 0, 1 at most.')
  return value
}

/** What a command takes that opens one model. */
export const opening = (command: Command): Command =>
  command.addOption(
    new Option('--cut <share>', 'opens a model that uniql sorted with this share of its units, such as 0.85').argParser(share),
  )

export const SHELLS = ['bash', 'zsh', 'fish']
export const shellName = (given: string): string => {
  if (SHELLS.includes(given)) return given
  throw new InvalidArgumentError(`${didYouMean(given, SHELLS)}Shells are ${SHELLS.join(', ')}.`)
}

export const TYPE = 'GGUF: what matrices become, a block type such as q4_k, f16, or a mixture such as Q4_K_M'
export const IMATRIX = 'GGUF: a file that weighs columns, from `tersor imatrix` or llama-imatrix'
export const formatOption = (): Option =>
  withChoices(
    new Option(
      '--format <format>',
      'how the result is stored: by the end of --out where absent, else huggingface, or the format of a graph',
    ),
    OUTPUT_FORMATS,
  )

export const dtypeOption = (is: string) => withChoices(new Option('--dtype <dtype>', is), DENSE_DTYPES)

export const formOption = () =>
  withChoices(new Option('--form <form>', 'ONNX: how codes of weights are stored; MatMulNBits where absent'), ONNX_FORMS)

export const checkpointOption = () =>
  withChoices(
    new Option(
      '--checkpoint-format <format>',
      'gptq: gptq or gptq_v2, which asymmetric layers get; compressed-tensors: pack-quantized or int-quantized; by the layers where absent',
    ),
    CHECKPOINT_FORMATS,
  )

export const cacheOption = () =>
  new Option(
    '--cache <call>',
    'keeps the cache small, such as "snap-kv(keep=0.25)" or "kivi(bits=2)"; repeat it for more policies, in order, and one encoding at the end',
  )
    .argParser(collect)
    .default([])

export const collect = (value: string, list: readonly string[] = []): readonly string[] => [...list, value]

const TEXTS = '.txt, .jsonl, .json or .parquet with texts or chats'
const FILES = 'a file, a folder or a pattern; repeat it for more'

export const calibrateOption = () =>
  new Option('--calibrate <file>', `what to learn from: ${TEXTS}; images; .npy, .json or .safetensors for a graph. ${FILES}`).argParser(
    collect,
  )

export const dataOption = (isMandatory = true) =>
  new Option('--data <file>', `${TEXTS}; images, in a folder a class for top1; .npy, .json or .safetensors for a graph. ${FILES}`)
    .argParser(collect)
    .makeOptionMandatory(isMandatory)

export const samplesOption = () =>
  new Option('--samples <n>', 'at most so many windows of text, images or rows, spread over what there is').argParser(countingNumber)
export const lengthOption = () =>
  new Option('--length <tokens>', 'of a window of text; as the model takes where absent').argParser(countingNumber)
export const shuffleOption = () => new Option('--shuffle', 'takes texts and images in an order drawn by --seed').default(false)

export const forOption = () =>
  withChoices(
    new Option('--for <runtime>', 'where the result is to run: chooses the format, and the steps where none are given'),
    TARGET_NAMES,
  )
export const bitsOption = () =>
  new Option('--bits <n>', 'of the weights, with --for: 2 to 8, or 16 for halves; what its users choose where absent').argParser(
    countingNumber,
  )
