//! The one integration binary: each module is a suite.

mod xfcc;
