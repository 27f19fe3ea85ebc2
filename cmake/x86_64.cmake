# 64-bit x86 (Debian's amd64), as another machine builds for it.
set(TRIPLE x86_64-linux-gnu)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(QEMU qemu-x86_64-static)
include(${CMAKE_CURRENT_LIST_DIR}/debian-cross.cmake)
