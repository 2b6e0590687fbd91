import { VERSION } from '@tersor/core/version'
import { Command, CommanderError, Option } from 'commander'
import type { CompressFlags } from './commands/compress.js'
import type { ConvertFlags } from './commands/convert.js'
import type { EvaluateFlags } from './commands/evaluate.js'
import type { GenerateFlags } from './commands/generate.js'
import type { ImatrixFlags } from './commands/imatrix.js'
import { declareComparisons } from './declared/comparisons.js'
import { declareBench } from './declared/bench.js'
import { declareRepeat } from './declared/repeat.js'
import { declareServe } from './declared/serve.js'
import { EXIT, exitCodeOf, writeError } from './errors.js'
import {
  IMATRIX,
  MODEL,
  TYPE,
  cacheOption,
  calibrateOption,
  checkpointOption,
  collect,
  dataOption,
  dtypeOption,
  formOption,
  forOption,
  formatOption,
  bitsOption,
  lengthOption,
  opening,
  samplesOption,
  shuffleOption,
  temperature,
  wholeNumber,
} from './command-options.js'
import { addLists, addPlan, type Run } from './more-commands.js'
import { withChoices } from './with-choices.js'
import { fetchNamed } from './hub/fetch-named.js'
import { untilInterrupted } from './until-interrupted.js'
import { wantsColors, type Terminal } from './output.js'

/** What the process gives a run; tests give their own. */
export interface Surroundings {
  readonly out: Terminal['out']
  readonly err: Terminal['err']
}

/** The commands, loaded when they run: what stands behind them takes half a second, and help none of it. */
const COMMANDS = {
  compress: async () => (await import('./commands/compress.js')).compress,
  convert: async () => (await import('./commands/convert.js')).convert,
  evaluate: async () => (await import('./commands/evaluate.js')).evaluate,
  generate: async () => (await import('./commands/generate.js')).generate,
  imatrix: async () => (await import('./commands/imatrix.js')).imatrix,
  inspect: async () => (await import('./commands/inspect.js')).inspect,
} as const

const withGlobals = (command: Command): Command =>
  command
    .option('--json', 'one JSON object on stdout, for programs', false)
    .option('--quiet', 'no progress and no notes on stderr', false)
    .option('--debug', 'the stack of an error', false)

const addConversions = (program: Command, run: Run): void => {
  opening(withGlobals(program.command('convert')))
    .description('writes a model in another format')
    .argument('<model>', MODEL)
    .requiredOption('--out <path>', 'where the result goes; must not exist')
    .addOption(forOption())
    .addOption(bitsOption())
    .addOption(formatOption())
    .option('--type <type>', TYPE)
    .option('--imatrix <file>', IMATRIX)
    .addOption(formOption())
    .addOption(checkpointOption())
    .addOption(dtypeOption('what all weights become; as they are where absent'))
    .option('--overwrite', 'replaces an output that exists', false)
    .action((model: string, flags: ConvertFlags & Record<string, unknown>) =>
      run(async (terminal, signal) => (await COMMANDS.convert())(terminal, model, flags, signal), flags),
    )
  withGlobals(program.command('imatrix'))
    .description("measures how much each weight's columns matter, for GGUF")
    .argument('<model>', MODEL)
    .addOption(calibrateOption().makeOptionMandatory())
    .addOption(samplesOption())
    .addOption(lengthOption())
    .addOption(shuffleOption())
    .option('--seed <n>', 'decides the order that --shuffle draws', wholeNumber, 0)
    .requiredOption('--out <file>', 'where the result goes; must not exist')
    .addOption(withChoices(new Option('--form <form>', 'gguf, or what llama.cpp wrote until 2025'), ['gguf', 'dat']).default('gguf'))
    .option('--overwrite', 'replaces an output that exists', false)
    .action((model: string, flags: ImatrixFlags & Record<string, unknown>) =>
      run(async (terminal, signal) => (await COMMANDS.imatrix())(terminal, model, flags, signal), flags),
    )
}

const addGeneration = (program: Command, run: Run): void => {
  opening(withGlobals(program.command('generate')))
    .description('continues a text')
    .argument('<model>', MODEL)
    .requiredOption('--prompt <text>', 'what to continue')
    .addOption(cacheOption())
    .addOption(
      withChoices(new Option('--cache-bits <bits>', 'keeps keys and values in so few, in ONNX graphs with fused attention'), ['8', '4']),
    )
    .addOption(new Option('--save-session <file>', 'writes the text and its cache when it ends; replaces the file'))
    .addOption(new Option('--load-session <file>', 'goes on from there: the prompt follows that text, with the same --cache'))
    .addOption(
      new Option(
        '--session-storage <call>',
        'how keys and values stand in those files, such as "cache-gen(level=2)"; in full where left out',
      ),
    )
    .option('--tokens <n>', 'how many tokens at most', wholeNumber, 64)
    .option('--temperature <t>', '0 takes the likeliest token every time', temperature, 0)
    .option('--seed <n>', 'decides what is drawn', wholeNumber, 0)
    .addOption(
      withChoices(new Option('--activations <dtype>', 'int8 rounds the inputs of products with quantized weights, which is faster'), [
        'float32',
        'int8',
      ]).default('float32'),
    )
    .action((model: string, flags: GenerateFlags & Record<string, unknown>) =>
      run(async (terminal, signal) => (await COMMANDS.generate())(terminal, model, flags, signal), flags),
    )
}

const addCompression = (program: Command, run: Run): void => {
  opening(withGlobals(program.command('compress')))
    .description('runs steps on a model and saves the result')
    .argument('[model]', `${MODEL}; that of the config where absent`)
    .option('--out <path>', 'where the result goes; must not exist')
    .addOption(forOption())
    .addOption(bitsOption())
    .option('--step <call>', 'a step, such as "wanda(sparsity=0.5)" or "package:method(…)"; repeat it for more', collect, [])
    .option(
      '--config <file>',
      'a file that exports a pipeline, or defineConfig({ … }); tersor.config.ts, .js, .json or .yaml where no step is given',
    )
    .addOption(calibrateOption().default([]))
    .addOption(samplesOption())
    .addOption(lengthOption())
    .addOption(shuffleOption())
    .addOption(formatOption())
    .option('--type <type>', TYPE)
    .option('--imatrix <file>', IMATRIX)
    .addOption(formOption())
    .addOption(checkpointOption())
    .addOption(dtypeOption('what plain weights become that no step made codes of; as they are where absent'))
    .option('--evaluate <file>', 'texts or images that quality is measured on before and after', collect)
    .option('--push <name>', 'puts the result on the hub, into org/name, which is made private where it is new')
    .option('--report <file>', 'writes a page about the run: errors, sizes, quality and recipe')
    .option('--verify', 'runs the result in the runtime it is for, where that is installed, and compares with ours', false)
    .option('--seed <n>', 'decides everything that is random', wholeNumber, 0)
    .option('--overwrite', 'replaces an output that exists, and throws away what a stopped run left', false)
    .option('--resume', 'goes on after the last stage that a stopped run of the same command finished', false)
    .option('--activation-memory <MiB>', 'activations of the calibration beyond this wait on disk', wholeNumber, 512)
    .action((model: string | undefined, flags: CompressFlags & Record<string, unknown>, command: Command) => {
      const isTyped = (flag: string): boolean => command.getOptionValueSource(flag) === 'cli'
      return run(async (terminal, signal) => (await COMMANDS.compress())(terminal, model, flags, signal, isTyped), flags)
    })
}

const addCommands = (program: Command, run: Run): void => {
  withGlobals(program.command('inspect'))
    .description('shows what a model holds, tensor by tensor')
    .argument('<model>', MODEL)
    .action((model: string, flags) => run(async terminal => (await COMMANDS.inspect())(terminal, model), flags))
  addCompression(program, run)
  addPlan(withGlobals(program.command('plan')), run)
  addLists(withGlobals(program.command('methods')), withGlobals(program.command('completion')), run, program)
  addConversions(program, run)
  const declaring = { program, run, withGlobals, collect, wholeNumber, model: MODEL }
  declareComparisons(declaring)
  declareBench(declaring)
  declareRepeat(declaring)
  declareServe(declaring)
  opening(withGlobals(program.command('evaluate')))
    .description('measures a model')
    .argument('<model>', MODEL)
    .addOption(dataOption())
    .addOption(samplesOption())
    .addOption(lengthOption())
    .addOption(shuffleOption())
    .option('--seed <n>', 'decides the order that --shuffle draws', wholeNumber, 0)
    .addOption(withChoices(new Option('--metric <metric>', 'what is measured'), ['perplexity', 'top1', 'kl', 'agreement', 'cosine']))
    .option('--reference <model>', 'the model that kl, agreement and cosine compare with')
    .addOption(cacheOption())
    .action((model: string, flags: EvaluateFlags & Record<string, unknown>) =>
      run(async (terminal, signal) => (await COMMANDS.evaluate())(terminal, model, flags, signal), flags),
    )
  addGeneration(program, run)
}

/** Refuses an option that is given twice and holds one value: the last would win without a word. */
const refuseRepeated = (program: Command, argv: readonly string[]): void => {
  const command = program.commands.find(each => each.name() === argv[0])
  for (const { long, parseArg, required } of command?.options ?? []) {
    if (!required || parseArg === collect) continue
    const given = argv.filter(word => word === long || word.startsWith(`${long}=`))
    if (given.length > 1) command!.error(`error: option '${long}' is given ${given.length} times, and holds one value.`)
  }
}

/** Says at a terminal what programs do not ask for. */
const sayOn =
  (err: Surroundings['err']) =>
  (text: string): void =>
    void (err.isTTY === true && err.write(text))

/** Runs one command line and returns its exit code: 0, 1 for a failure, 2 for wrong usage, 130 when interrupted. */
export const main = async (
  argv: readonly string[],
  { out, err }: Surroundings = { out: process.stdout, err: process.stderr },
): Promise<number> => {
  let code = 0
  const run: Run = (work, flags) =>
    untilInterrupted(sayOn(err), async signal => {
      const terminal: Terminal = {
        out,
        err,
        json: flags.json === true,
        quiet: flags.quiet === true,
        debug: flags.debug === true,
        colors: wantsColors(out, err),
      }
      try {
        await work(terminal, signal)
      } catch (error) {
        writeError(terminal, error, signal)
        code = exitCodeOf(error, signal)
      }
    })
  const program = new Command('tersor').description('Neural-network compression for TypeScript.').version(VERSION)
  program.exitOverride().configureOutput({ writeOut: text => out.write(text), writeErr: text => err.write(text) })
  addCommands(program, run)
  program.commands.forEach(command =>
    command.exitOverride().configureOutput({ writeOut: text => out.write(text), writeErr: text => err.write(text) }),
  )
  fetchNamed(program, run, () => code)
  try {
    refuseRepeated(program, argv)
    await program.parseAsync(argv, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    return error.exitCode === 0 ? 0 : code || EXIT.usage
  }
  return code
}
