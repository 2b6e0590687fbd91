/** Five times the cases of each property: the slow run asks for them. */
import './blocks.test.js'
import './hadamard.test.js'
import './half-quadratic.test.js'
import './k-means.test.js'
import './keep-largest.test.js'
import './packed-product.test.js'
import './searches.test.js'
import './sparse-mat-mul.test.js'
