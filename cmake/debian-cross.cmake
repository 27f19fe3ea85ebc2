# Cross builds with Debian's compilers: included by the toolchain files beside
# it, which set TRIPLE (Debian's name of the machine), CMAKE_SYSTEM_PROCESSOR
# and QEMU. Libraries come from the folder that cmake/sysroot fills and never
# from the system; tests run under user-mode QEMU, whose processor the variable
# QEMU_CPU names.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_C_COMPILER ${TRIPLE}-gcc)
get_filename_component(
  CMAKE_SYSROOT ${CMAKE_CURRENT_LIST_DIR}/../build-sysroot/${TRIPLE} ABSOLUTE)
set(CMAKE_LIBRARY_ARCHITECTURE ${TRIPLE})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${CMAKE_SYSROOT})
set(ENV{PKG_CONFIG_LIBDIR}
    ${CMAKE_SYSROOT}/usr/lib/${TRIPLE}/pkgconfig:${CMAKE_SYSROOT}/usr/share/pkgconfig)
set(CMAKE_CROSSCOMPILING_EMULATOR ${QEMU};-L;${CMAKE_SYSROOT})
