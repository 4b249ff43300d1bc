//! The one integration binary: each module is a suite.

mod decode;
mod intent;
mod xfcc;
