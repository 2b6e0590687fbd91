import { describeCodec } from './codec-suite.fixture.js'
import { plain } from './plain.js'

describeCodec(plain(), n => 4 * n)
