# The Debian package: `make deb`. Its dependencies are what dpkg-shlibdeps finds
# in the programs, so it fits the release that it was built on.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME facegate)
set(CPACK_PACKAGE_CONTACT "facegate maintainers <facegate@debian.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "decide who is at the door, in little memory")
set(CPACK_PACKAGE_DESCRIPTION
    "HTTP daemon for gateways with 64 to 256 MB of memory: kiosks post a JPEG to
enrol a person, door controllers post one to verify or identify, operators
read the match log. Every picture is decoded, searched for a face and
compared inside one fixed memory pool. A command line tool and the models
are part of the package.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_SET_DESTDIR ON)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "init-system-helpers (>= 1.54~)")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS ca-certificates)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(scripts ${CMAKE_SOURCE_DIR}/packaging/deb)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${scripts}/conffiles ${scripts}/postinst ${scripts}/prerm ${scripts}/postrm)

# What policy wants of a package's documents, compressed as it wants it.
set(documents ${CMAKE_BINARY_DIR}/documents)
file(MAKE_DIRECTORY ${documents})
configure_file(${scripts}/changelog.in ${documents}/changelog.Debian @ONLY)
configure_file(CHANGELOG.md ${documents}/changelog COPYONLY)
foreach(name changelog changelog.Debian)
  execute_process(COMMAND gzip -9nkf ${documents}/${name} RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "gzip: ${failed}")
  endif()
  install(FILES ${documents}/${name}.gz DESTINATION ${CMAKE_INSTALL_DOCDIR})
endforeach()
install(FILES ${scripts}/copyright NOTICE
        DESTINATION ${CMAKE_INSTALL_DOCDIR})
include(CPack)
