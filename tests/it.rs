//! The one integration binary: each module is a suite.

mod decode;
mod intent;
mod lab_curl;
mod lab_dataplane;
mod lab_kube;
mod print;
mod signature;
mod xfcc;
