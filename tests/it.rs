//! The one integration binary: each module is a suite.

mod decode;
mod intent;
mod print;
mod signature;
mod xfcc;
