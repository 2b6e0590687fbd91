/** The perplexity over the whole text: the slow run asks for it. */
import './shakespeare.test.js'
