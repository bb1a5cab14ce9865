# Takes a tar.gz from standard input, as it is, into the folder PASANG_INTO: what tar.exe does where Windows has none
# (before Windows 10 1803 and Server 2019). Only .NET 2.0 and PowerShell 2.0 are asked for. It is sent as one command
# line, so it is short. Names are our own (controller/embedded.py), the whole is held against a list of digests later.
$ErrorActionPreference = 'Stop'
$in = New-Object IO.Compression.GZipStream([Console]::OpenStandardInput(), [IO.Compression.CompressionMode]::Decompress)
$data = New-Object byte[] 65536
function Fill($want) {
  $have = 0
  while ($have -lt $want) {
    $got = $in.Read($data, $have, $want - $have)
    if ($got -le 0) { throw 'the archive ended too soon' }
    $have += $got
  }
}
while ($true) {
  Fill 512
  if ($data[0] -eq 0) { break }
  $name = [Text.Encoding]::ASCII.GetString($data, 0, 100).Split([char]0)[0]
  $left = [Convert]::ToInt64([Text.Encoding]::ASCII.GetString($data, 124, 11), 8)
  $rest = (512 - $left % 512) % 512
  $path = Join-Path $env:PASANG_INTO $name
  [void][IO.Directory]::CreateDirectory([IO.Path]::GetDirectoryName($path))
  $file = [IO.File]::Create($path)
  while ($left -gt 0) {
    $size = [Math]::Min($left, $data.Length)
    Fill $size
    $file.Write($data, 0, $size)
    $left -= $size
  }
  $file.Close()
  if ($rest) { Fill $rest }
}
