//! The original destination of a captured connection, in a PROXY protocol v2 header.
//!
//! Stands for `SO_ORIGINAL_DST`, which needs iptables. `HAProxy`, "The PROXY protocol", section 2.2.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use proxy_header::{ParseConfig, ProxiedAddress, ProxyHeader};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Signature, version, family and length.
const FIXED: usize = 16;

/// Who dialled what, in virtual addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialled {
    /// The pod that dialled.
    pub source: SocketAddr,
    /// What it dialled.
    pub destination: SocketAddr,
}

// === impl Dialled ===

impl Dialled {
    /// Writes the header ahead of everything else.
    pub async fn write(self, stream: &mut TcpStream) -> io::Result<()> {
        let source = match (self.source.is_ipv4(), self.destination.is_ipv4()) {
            (true, true) | (false, false) => self.source,
            // A header holds one address family; the destination is the one that decides.
            (_, true) => SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), self.source.port()),
            (_, false) => SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), self.source.port()),
        };
        let mut header = Vec::with_capacity(64);
        ProxyHeader::with_address(ProxiedAddress::stream(source, self.destination))
            .encode_v2(&mut header)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        stream.write_all(&header).await
    }

    /// Reads the header and nothing behind it.
    pub async fn read(stream: &mut TcpStream) -> io::Result<Self> {
        let invalid = |reason: &str| io::Error::new(io::ErrorKind::InvalidData, reason.to_owned());
        let mut header = vec![0; FIXED];
        stream.read_exact(&mut header).await?;
        let length = match header.get(14..FIXED) {
            Some(&[high, low]) => usize::from(u16::from_be_bytes([high, low])),
            _ => return Err(invalid("short PROXY header")),
        };
        let mut rest = vec![0; length];
        stream.read_exact(&mut rest).await?;
        header.append(&mut rest);
        let config = ParseConfig { include_tlvs: false, allow_v1: false, allow_v2: true };
        let (header, _) = ProxyHeader::parse(&header, config).map_err(|error| invalid(&error.to_string()))?;
        let address = header.proxied_address().ok_or_else(|| invalid("a PROXY header without addresses"))?;
        Ok(Self { source: address.source, destination: address.destination })
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::Dialled;

    /// What arrives for a source and a destination.
    async fn sent(source: &str, destination: &str) -> (SocketAddr, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let dialled = Dialled { source: source.parse().unwrap(), destination: destination.parse().unwrap() };
        dialled.write(&mut client).await.unwrap();
        client.write_all(b"hello").await.unwrap();
        let got = Dialled::read(&mut server).await.unwrap();
        let mut behind = [0; 5];
        server.read_exact(&mut behind).await.unwrap();
        assert_eq!(&behind, b"hello");
        (got.source, got.destination)
    }

    #[tokio::test]
    async fn addresses_of_either_family_arrive_with_nothing_lost_behind_them() {
        for (source, destination) in [("10.0.0.1:40000", "10.0.0.2:80"), ("[fd00::1]:40000", "[fd00::2]:80")] {
            let expected = (source.parse().unwrap(), destination.parse().unwrap());
            assert_eq!(sent(source, destination).await, expected);
        }
        let mixed = sent("10.0.0.1:40000", "[fd00::2]:80").await;
        assert_eq!(mixed, ("[::]:40000".parse().unwrap(), "[fd00::2]:80".parse().unwrap()));
    }
}
