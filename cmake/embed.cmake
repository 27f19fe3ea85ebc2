# Puts the files that the daemon serves as they are into its program as bytes:
# the contract of the API and the operator's console. Sets EMBEDDED_FILES and
# CONTRACT_BYTES for server/embedded.c.in. The ETag is the content's own hash.
# All are packed, a third of the bytes or less. The console goes so to browsers,
# all of which take gzip; the contract, for every client, is unpacked first, and
# is without the line breaks and the indentation that are for its readers here.
set(type_.css "text/css; charset=utf-8")
set(type_.html "text/html; charset=utf-8")
set(type_.js "text/javascript; charset=utf-8")
set(type_.json "application/json")
set(type_.svg "image/svg+xml")

file(GLOB console_files CONFIGURE_DEPENDS web/*)
set(EMBEDDED_FILES "")
foreach(path ${CMAKE_SOURCE_DIR}/docs/openapi.json ${console_files})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${path})
  get_filename_component(name ${path} NAME)
  get_filename_component(ending ${path} LAST_EXT)
  if(NOT DEFINED type_${ending})
    message(FATAL_ERROR "cmake/embed.cmake knows no type for ${path}")
  endif()
  if(path MATCHES "/web/[^/]*$")
    string(PREPEND name "console/")
  endif()
  file(SHA256 ${path} hash)
  string(SUBSTRING ${hash} 0 16 hash)
  set(encoding "\"gzip\"")
  if(ending STREQUAL ".json")
    file(READ ${path} text)
    string(REGEX REPLACE "\n *" "" text "${text}")
    set(path ${CMAKE_BINARY_DIR}/embedded.json)
    file(WRITE ${path} "${text}")
    file(SIZE ${path} CONTRACT_BYTES)
    set(encoding NULL)
  endif()
  set(packed ${CMAKE_BINARY_DIR}/embedded.gz)
  file(ARCHIVE_CREATE OUTPUT ${packed} PATHS ${path} FORMAT raw
       COMPRESSION GZip)
  file(SIZE ${packed} size)
  file(READ ${packed} bytes HEX)
  # The time of the packing would make every build another one.
  string(REGEX REPLACE "^1f8b0800........" "1f8b080000000000" bytes "${bytes}")
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  string(APPEND EMBEDDED_FILES
         "\t{ \"${name}\", \"${type_${ending}}\", ${encoding},\n"
         "\t  \"\\\"${hash}\\\"\",\n"
         "\t  (const unsigned char[]){ ${bytes} }, ${size} },\n")
endforeach()
configure_file(server/embedded.c.in embedded.c @ONLY)
